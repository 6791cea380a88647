import type { Socket } from "node:net";

/** All that comes until the other side has ended; its own side stays as it is. */
export function heardBy(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += String(bytes);
    });
    socket.once("end", () => resolve(text));
  });
}
