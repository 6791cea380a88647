/** The least that sending a file can cost: Node reads it and writes it to a local TCP socket, and nothing else. */
import { stat } from "node:fs/promises";
import { connect } from "node:net";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

const server = fileURLToPath(new URL("agents/file-server.mjs", import.meta.url));

/** MB a second, with the server in a process of its own as the daemon is. */
export async function socketSpeed(path: string): Promise<number> {
  const { size } = await stat(path);
  const child = execa(process.execPath, [server, path], { buffer: false, stderr: "inherit" });
  const port = await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("data", () => undefined);
    socket.on("end", resolve);
    socket.on("error", reject);
  });
  const rate = size / 1000 / (performance.now() - start);
  await child;
  return rate;
}
