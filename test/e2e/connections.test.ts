import { connect, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";

const max = 50;

it("more connections than are permitted are closed; those that are there go on, and room is given to the next", async () => {
  const daemon = await startDaemon({ config: { limits: { max_connections: max } } });
  const sockets: Socket[] = [];
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await daemon.stop();
  });
  const port = Number(new URL(daemon.url).port);
  const closed = new Set<Socket>();
  for (let n = 0; n < 4 * max; n++) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => closed.add(socket));
    socket.on("close", () => closed.add(socket));
    sockets.push(socket);
  }
  await eventually(() => closed.size >= 3 * max, { what: "the end of those that are too many" });
  const [held] = sockets.filter((socket) => !closed.has(socket));
  const answered = new Promise<string>((resolve) => held?.once("data", (data) => resolve(String(data))));
  held?.write(`GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  expect(await answered).toContain("200 OK");
  for (const socket of sockets) socket.destroy();
  expect((await eventually(() => daemon.get("/health"))).status).toBe(200);
});
