/** A look into a daemon that was started with `inspectorArgs`, by Node's own debugging protocol. */
import WebSocket from "ws";
import { eventually } from "../support/eventually.ts";
import type { Daemon } from "../support/start-daemon.ts";

/** Flags of node: any free port of loopback. */
export const inspectorArgs = ["--inspect=127.0.0.1:0"];

/** Has all garbage collected, so that what memory is left is held by something. */
export async function collectGarbage(daemon: Daemon): Promise<void> {
  const address = await eventually(() => /listening on (ws:\S+)/.exec(daemon.output())?.[1], {
    what: "the inspector's address",
  });
  const socket = new WebSocket(String(address));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  // Twice: what the first round finalizes is garbage for the second.
  for (const id of [1, 2]) {
    const answered = new Promise((resolve) => socket.once("message", resolve));
    socket.send(JSON.stringify({ id, method: "HeapProfiler.collectGarbage" }));
    await answered;
  }
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.close();
  await closed;
}
