/** Bounds that are reached by count: one more is refused with its word, and who is there already goes on. */
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import type { ChatStep } from "../../src/store/store.ts";
import { closedByOther, connections } from "../support/connections.ts";
import { endSidecar, startByHand } from "../support/sidecar.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const counts = fileURLToPath(new URL("../fixtures/agents/claude-counts.mjs", import.meta.url));
const agents = { counts: { harness: "claude", command: counts } };
let daemon: Daemon | undefined;
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
});

const makeChat = (of: Daemon, name: string) => of.post("/chats", { name, config: { agent: "counts" } });

test("as many chats as max_chats says; one that is deleted makes room", async () => {
  daemon = await startDaemon({ config: { agents, limits: { max_chats: 2 } } });
  expect([(await makeChat(daemon, "one")).status, (await makeChat(daemon, "two")).status]).toEqual([201, 201]);
  expect(await makeChat(daemon, "three")).toMatchObject({ status: 503, body: { error: "max_chats" } });
  expect((await daemon.get("/chats/one")).status).toBe(200);
  expect((await daemon.delete("/chats/two")).status).toBe(200);
  expect((await makeChat(daemon, "three")).status).toBe(201);
});

test("a chat that has had 10,000 sessions takes no message more, and can be read", async () => {
  const first = await startDaemon({ config: { agents } });
  onTestFinished(async () => {
    await first.stop();
  });
  expect((await makeChat(first, "old")).status).toBe(201);
  await first.leave();
  const store = await openSqliteStore({ path: join(first.dataDir, "state.db"), isSynced: false });
  for (let position = 0; position < 10_000; position++) await store.chats.add(failedStep(position));
  await store.close();
  daemon = await startDaemon({ dataDir: first.dataDir });
  const send = () => daemon?.post("/chats/old/messages", { message: "one more" });
  expect(await send()).toMatchObject({ status: 409, body: { error: "chat_full" } });
  expect((await daemon.get("/chats/old/messages?limit=1")).body.messages).toHaveLength(1);
}, 120_000);

/** It never came to a session, which the store says by itself. */
function failedStep(position: number): ChatStep {
  return {
    chat: "old",
    position,
    session_id: `00000000-0000-4000-8000-${String(position).padStart(12, "0")}`,
    kind: "message",
    standing: "failed",
    text: `message ${position}`,
    fault: { code: "launch_failed", message: "it did not start" },
    conversation: null,
    sent_at: position,
    sent_by: null,
  };
}

test("a sidecar has 1,000 connections; one more is closed at once, and those that are there are answered", async () => {
  const sidecar = await startByHand({ command: ["cat"] });
  onTestFinished(() => endSidecar(sidecar));
  const [host = "", port] = sidecar.origin.split(":");
  const where = { host, port: Number(port) };
  const there = await connections(where, 1000);
  const [late] = await connections(where, 1);
  if (late) await closedByOther(late);
  for (const socket of [there[0], there.at(-1)]) {
    socket?.write("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    const [answer] = socket ? await once(socket, "data") : [];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /);
  }
});
