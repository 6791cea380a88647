import { createServer } from "node:http";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { linkProtocol } from "../../../src/protocol/link-frame.ts";
import { connectToSocket } from "../../../src/runtime/socket-door.ts";
import { Link } from "../../../src/supervisor/link.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";

async function linkToNobody(): Promise<{ link: Link; losses: string[] }> {
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const losses: string[] = [];
  const link = new Link({
    connect: () => connectToSocket(join(dir.path, "nobody")),
    token: "secret",
    after: () => 0,
    onBatch: () => undefined,
    onHello: () => undefined,
    onStatus: () => undefined,
    onStorage: () => undefined,
    onLost: (reason) => losses.push(reason),
  });
  onTestFinished(() => link.close());
  return { link, losses };
}

test("a command for a link that was closed is refused at once", async () => {
  const { link } = await linkToNobody();
  link.close();
  await expect(link.request({ type: "finish", data: {} })).rejects.toThrow("the session has ended");
});

test("a command for a link that was lost is refused at once", { timeout: 30_000 }, async () => {
  const { link, losses } = await linkToNobody();
  const early = link.request({ type: "finish", data: {} });
  await expect(early).rejects.toThrow("the sidecar is gone");
  await eventually(() => losses.length === 1);
  await expect(link.request({ type: "finish", data: {} })).rejects.toThrow("the sidecar is gone");
});

test("who listens in a sidecar's place without the token hears nothing of it and is not believed", {
  timeout: 30_000,
}, async () => {
  const dir = await tempDir();
  const heard: string[] = [];
  const forged = createServer();
  const sockets = new WebSocketServer({ server: forged });
  sockets.on("headers", (lines) =>
    lines.push("agentruntime-challenge: AAAAAAAAAAAAAAAAAAAAAAAA", "agentruntime-proof: no"),
  );
  sockets.on("connection", (socket, request) => {
    // It is gone again before the link gives up: what is told in the end is not that nobody was there.
    if (heard.length > 4) forged.close();
    heard.push(JSON.stringify(request.headers));
    socket.on("message", (data) => heard.push(String(data)));
    const status = { activity: "idle", turn_id: null, background: 0 };
    const hello = { protocol: linkProtocol, session_id: "s", sidecar_seq: 1, last_turn: 0, status };
    socket.send(JSON.stringify({ type: "hello", data: hello }));
    socket.send(Buffer.from('{"type":"stdout","data":{"text":"forged"},"ts":1,"sidecar_seq":1}\n'));
  });
  await new Promise<void>((resolve) => forged.listen(join(dir.path, "s"), resolve));
  const believed: unknown[] = [];
  const losses: string[] = [];
  const link = new Link({
    connect: () => connectToSocket(join(dir.path, "s")),
    token: "the-token-of-the-session",
    after: () => 0,
    onBatch: (batch) => believed.push(batch),
    onHello: (hello) => believed.push(hello),
    onStatus: (status) => believed.push(status),
    onStorage: (storage) => believed.push(storage),
    onLost: (reason) => losses.push(reason),
  });
  onTestFinished(async () => {
    link.close();
    sockets.close();
    forged.closeAllConnections();
    await new Promise((resolve) => forged.close(resolve));
    await dir.remove();
  });
  await eventually(() => losses.length === 1, { deadlineMs: 60_000, what: "the link's loss" });
  expect(losses[0]).toContain("does not know the session's token");
  expect(believed).toEqual([]);
  expect(heard.length).toBeGreaterThan(0);
  expect(heard.join()).not.toContain("the-token-of-the-session");
  expect(heard.join()).not.toContain('proof"');
});
