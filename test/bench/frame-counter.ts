/**
 * A process of its own that is many clients of one session: `frame-counter PORT PATH TOKEN COUNT END`. Prints `open` when
 * all are connected, and when each has met END one line of JSON. It looks at frames' headers only, so that it, which
 * shares the machine, costs less than what it measures.
 */
import { connect, type Socket } from "node:net";

const [port, path, token, count, end = ""] = process.argv.slice(2);
const endMark = Buffer.from(end);
let open = 0;
let ended = 0;
let frames = 0;
let bytes = 0;
let startedAt = 0;

for (let i = 0; i < Number(count); i++) client(connect(Number(port), "127.0.0.1"));

function client(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  let isOpen = false;
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  );
  socket.on("data", (chunk: Buffer) => {
    let data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    if (!isOpen) {
      const head = data.indexOf("\r\n\r\n");
      if (head === -1) {
        rest = data;
        return;
      }
      if (!data.toString("latin1", 0, 13).includes(" 101")) throw new Error(data.toString("latin1", 0, head));
      data = data.subarray(head + 4);
      isOpen = true;
      if (++open === Number(count)) console.log("open");
    }
    rest = take(data);
  });
}

/** Counts whole frames; what is left of one is kept. */
function take(data: Buffer): Buffer {
  let at = 0;
  for (;;) {
    if (data.length - at < 2) break;
    const short = (data[at + 1] ?? 0) & 0x7f;
    const head = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (data.length - at < head) break;
    const length =
      short === 126 ? data.readUInt16BE(at + 2) : short === 127 ? Number(data.readBigUInt64BE(at + 2)) : short;
    if (data.length - at < head + length) break;
    if (startedAt === 0 && open === Number(count)) startedAt = performance.now();
    frames++;
    bytes += length;
    if (data.subarray(at + head, at + head + length).includes(endMark)) leave();
    at += head + length;
  }
  return data.subarray(at);
}

function leave(): void {
  if (++ended < Number(count)) return;
  console.log(JSON.stringify({ frames, bytes, seconds: (performance.now() - startedAt) / 1000 }));
  process.exit(0);
}
