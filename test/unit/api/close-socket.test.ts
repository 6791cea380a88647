import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { closeSocket } from "../../../src/api/close-socket.ts";

test("a reason that is longer than a close frame is cut between characters", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    client.terminate();
    server.close();
  });
  const [socket] = (await once(server, "connection")) as [WebSocket];
  closeSocket(socket, 1011, `cannot read the log: ${"ü".repeat(100)}`);
  const [code, reason] = (await once(client, "close")) as [number, Buffer];
  expect(code).toBe(1011);
  expect(String(reason)).toBe(`cannot read the log: ${"ü".repeat(51)}`);
});
