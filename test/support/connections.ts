/** Many connections to one server, of which it is to close those that are too many. */
import { once } from "node:events";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** Opened one after the other; those that stay open end with the test. */
export async function connections(where: NetConnectOpts, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let i = 0; i < count; i++) {
    const socket = connect(where);
    sockets.push(socket);
    // Reset or ended: that it is closed is what counts.
    socket.on("error", () => undefined);
    await once(socket, "connect");
  }
  return sockets;
}

/** Resolves when the far side has closed it. */
export async function closedByOther(socket: Socket): Promise<void> {
  if (socket.closed) return;
  socket.resume();
  await once(socket, "close");
}
