/** Starts the two hops of the relay around an agent and connects a client to it. */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import WebSocket from "ws";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const hop = fileURLToPath(new URL("relay-hop.ts", import.meta.url));

export interface Relay {
  socket: WebSocket;
  close(): Promise<void>;
}

export async function startRelay(command: readonly string[]): Promise<Relay> {
  const folder = await tempDir();
  const socketPath = join(folder.path, "relay.sock");
  const node = (args: readonly string[]) =>
    execa(process.execPath, ["--import", "tsx", hop, ...args], { reject: false, buffer: false, stderr: "inherit" });
  const hub = node(["hub", socketPath]);
  const port = await new Promise<string>((resolve) => createInterface({ input: hub.stdout }).once("line", resolve));
  const near = node(["near", socketPath, "--", ...command]);
  const socket = await eventually(() => connect(`ws://127.0.0.1:${port}`), { what: "the relay's start" });
  return {
    socket,
    close: async () => {
      socket.terminate();
      await Promise.all([hub, near]);
      await folder.remove();
    },
  };
}

/** The hub listens for upgrades only once its other side is there: until then an upgrade is not answered. */
function connect(url: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: 300 });
    socket.once("open", () => resolve(socket));
    socket.once("error", reject);
  });
}
