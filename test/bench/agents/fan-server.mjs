// The least that a fan-out can cost: sends one ready frame to each of COUNT clients, ROUNDS times, as fast as they are
// written. Prints its port; begins when a line comes.
import { createServer } from "node:net";

const [count, rounds] = process.argv.slice(2).map(Number);
const sockets = [];
const frameOf = (text) =>
  Buffer.concat([Buffer.from([0x81, 126, text.length >> 8, text.length & 0xff]), Buffer.from(text)]);
const frame = frameOf(`{"type":"stdout","data":"${"x".repeat(200)}","offset":123456}`);
const last = frameOf(`{"type":"stdout","data":"flood-end${"x".repeat(191)}","offset":123456}`);

const server = createServer((socket) => {
  socket.on("error", () => undefined);
  socket.once("data", () => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    sockets.push(socket);
  });
});
server.listen(0, "127.0.0.1", count, () => console.log(server.address().port));

process.stdin.once("data", async () => {
  for (let round = 1; round <= rounds; round++) {
    const bytes = round === rounds ? last : frame;
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.write(bytes, resolve))));
  }
});
process.stdin.on("end", () => process.exit(0));
