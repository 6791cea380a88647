/** A daemon that is there and says nothing, as behind a network that has lost its connections: the client leaves it. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { readEvents } from "../../../src/client/event-stream.ts";
import { openFrameSocket } from "../../../src/client/frame-socket.ts";
import { eventually } from "../../support/eventually.ts";

afterEach(() => void vi.useRealTimers());

test("events that stop without a breath for 45 s are asked for again, behind the last", async () => {
  const asked: { after: string | undefined; response: ServerResponse }[] = [];
  const server = createServer((request, response) => {
    asked.push({ after: request.headers["last-event-id"]?.toString(), response });
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close().closeAllConnections());
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });

  // A reader that waits for a daemon would do so for minutes behind the test.
  const left = new AbortController();
  onTestFinished(() => left.abort());
  const events = readEvents(addressOf(server.address() as AddressInfo), "s", { signal: left.signal });
  const first = events.next();
  await eventually(() => asked.length === 1, { what: "the first connection" });
  asked[0]?.response.write(event(100, { type: "stdout", data: { text: "a" }, seq: 1 }));
  expect((await first).value).toMatchObject({ seq: 1, offset: 100 });

  // Whatever comes is a sign of life: the silence is counted from there.
  await vi.advanceTimersByTimeAsync(44_900);
  asked[0]?.response.write(event(200, { type: "stdout", data: { text: "b" }, seq: 2 }));
  expect((await events.next()).value).toMatchObject({ seq: 2, offset: 200 });
  const third = events.next();
  await vi.advanceTimersByTimeAsync(44_900);
  expect(asked).toHaveLength(1);
  const cut = once(asked[0]?.response as ServerResponse, "close");
  await vi.advanceTimersByTimeAsync(100);
  await cut;
  const isAskedAgain = async () => {
    await vi.advanceTimersByTimeAsync(10);
    return asked.length === 2;
  };
  await eventually(isAskedAgain, { what: "the second connection" });
  expect(asked[1]?.after).toBe("200");
  asked[1]?.response.end(event(300, { type: "exit", data: { code: 0 }, seq: 3, exit_code: 0 }));
  expect((await third).value).toMatchObject({ seq: 3, type: "exit" });
  expect((await events.next()).done).toBe(true);
});

test("a socket without a sign of life for 90 s is given up, and says so; a ping is one", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  const connection = once(server, "connection");
  const socket = await openFrameSocket(addressOf(server.address() as AddressInfo), "/ws/sessions/s");
  const [daemon] = (await connection) as [WebSocket];
  const over = socket.frames[Symbol.asyncIterator]().next();

  await vi.advanceTimersByTimeAsync(80_000);
  // The answer to a ping comes when the client has heard it.
  const heard = once(daemon, "pong");
  daemon.ping();
  await heard;
  await vi.advanceTimersByTimeAsync(85_000);
  expect([daemon.readyState, socket.ending]).toEqual([daemon.OPEN, ""]);
  const cut = once(daemon, "close");
  await vi.advanceTimersByTimeAsync(25_000);
  expect((await over).done).toBe(true);
  expect(socket.ending).toBe("no sign of life for 90 s");
  await cut;
});

function addressOf({ port }: AddressInfo) {
  return { url: `http://127.0.0.1:${port}`, token: undefined, source: "the test" };
}

function event(offset: number, line: object): string {
  return `id: ${offset}\ndata: ${JSON.stringify({ timestamp: 1, sidecar_seq: 1, ...line })}\n\n`;
}
