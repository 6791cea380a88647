/** Bytes that are no request, or not in time: no route and no hook hears of them. Answered as an error of ours, and that is the end. */
import type { Socket } from "node:net";
import { errnoOf } from "../protocol/error.ts";

const faults: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "its address and headers are over 16 KiB"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["413 Payload Too Large", "the extensions of its chunks are over 16 KiB"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "it did not come in time"],
};

export function answerBroken(error: Error, socket: Socket): void {
  const code = errnoOf(error) ?? "";
  // Nobody is there to hear it.
  if (code === "ECONNRESET" || socket.destroyed) return;
  const [status, message] = faults[code] ?? ["400 Bad Request", "it is not HTTP/1.1"];
  const body = JSON.stringify({ error: "invalid_request", message: `Cannot read the request: ${message}` });
  const head = `Connection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}`;
  if (socket.writable) socket.write(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`);
  // When that is written.
  socket.destroySoon();
}
