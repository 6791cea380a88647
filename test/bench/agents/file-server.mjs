// Sends a file to the one client that connects, and leaves. Prints its port.
import { createReadStream } from "node:fs";
import { createServer } from "node:net";
import { pipeline } from "node:stream/promises";

const server = createServer(async (socket) => {
  await pipeline(createReadStream(process.argv[2], { highWaterMark: 256 * 1024 }), socket);
  server.close();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
