/** Closing a WebSocket whose far end may not answer. */
import type WebSocket from "ws";

/** How long a peer may take to answer the close once it could have read it. */
const closeMs = 2000;
/** Of a close frame (RFC 6455, 5.5): ws throws at more. */
const reasonBytesMax = 123;

/**
 * A peer that does not answer the close is cut off soon after. At the session's end everything has left by then;
 * who is closed for not reading, or by a daemon that leaves, cannot be waited for.
 */
export function closeSocket(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, cutToBytes(reason, reasonBytesMax));
  // A peer whose frames are not read could not be heard to answer.
  if (socket.isPaused) socket.resume();
  const timer = setTimeout(() => socket.terminate(), closeMs);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
}

function cutToBytes(text: string, bytesMax: number): string {
  let cut = text;
  while (Buffer.byteLength(cut) > bytesMax) cut = cut.slice(0, -1);
  return cut;
}
