/** Starts the two hops of the relay around some agents and connects a client to each. */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import WebSocket from "ws";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const hop = fileURLToPath(new URL("agents/relay-hop.mjs", import.meta.url));

export interface Relay {
  /** One for each agent. */
  sockets: WebSocket[];
  close(): Promise<void>;
}

export async function startRelay(command: readonly string[], count = 1): Promise<Relay> {
  const folder = await tempDir();
  const socketPath = join(folder.path, "relay.sock");
  const node = (args: readonly string[]) =>
    execa(process.execPath, [hop, ...args], { reject: false, buffer: false, stderr: "inherit" });
  const hub = node(["hub", socketPath]);
  const port = await new Promise<string>((resolve) => createInterface({ input: hub.stdout }).once("line", resolve));
  const nears: ReturnType<typeof node>[] = [];
  const sockets: WebSocket[] = [];
  // One after the other: a flood of starts is not what is measured.
  for (let i = 0; i < count; i++) {
    nears.push(node(["near", socketPath, `/${i}`, "--", ...command]));
    sockets.push(await eventually(() => connect(`ws://127.0.0.1:${port}/${i}`), { what: "the relay's start" }));
  }
  return {
    sockets,
    close: async () => {
      for (const socket of sockets) socket.terminate();
      await Promise.all(nears);
      hub.stdin.end();
      await hub;
      await folder.remove();
    },
  };
}

/** Refused until its near side is there. */
function connect(url: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: 5000 });
    socket.once("open", () => resolve(socket));
    socket.once("error", reject);
  });
}
