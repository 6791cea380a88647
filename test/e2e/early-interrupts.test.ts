/** Interrupts that come before an agent has anything to do: what the daemon makes of them, whatever the agent. */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { ofType, results, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const echo = fileURLToPath(new URL("../fixtures/agents/echo.mjs", import.meta.url));
const agents = { echo: { command: process.execPath, args: [echo] } };

/** Hooks that keep every agent starting until the gate is opened. */
async function closedGate() {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const gate = join(folder.path, "gate");
  const hooks = { post_init: ["sh", "-c", `until [ -e ${gate} ]; do sleep 0.05; done`] };
  return { hooks, open: () => writeFileSync(gate, "") };
}

/** A session that starts until the gate is opened. */
async function starting(daemon: Daemon, request: Record<string, unknown>): Promise<string> {
  const { body } = await daemon.post("/sessions", { agent: "echo", interactive: true, ...request });
  await isStarting(daemon, body.session_id);
  return body.session_id;
}

async function isStarting(daemon: Daemon, id: string): Promise<void> {
  const hasBegun = async () => (await daemon.get(`/sessions/${id}/log`)).text.includes("post_init");
  await eventually(hasBegun, { what: "the hook" });
}

const interrupt = async (daemon: Daemon, id: string) => (await daemon.post(`/sessions/${id}/interrupt`)).status;

/** Its log once the prompt that comes now has its result. */
async function afterNext(daemon: Daemon, id: string, text: string) {
  const { turn_id } = (await daemon.post(`/sessions/${id}/prompt`, { text })).body;
  const enough = (events: Parameters<typeof results>[0]) =>
    results(events).some(({ turn }) => turn === turn_id) && ofType(events, "stdout").length > 0;
  return readLog(daemon, id, { enough });
}

test("of a session that starts and has nothing to do is taken at once, and changes nothing", async () => {
  const gate = await closedGate();
  const daemon = await startDaemon({ config: { agents, hooks: gate.hooks } });
  onTestFinished(async () => void (await daemon.stop()));
  const id = await starting(daemon, {});
  expect(await interrupt(daemon, id)).toBe(202);
  gate.open();
  const events = await afterNext(daemon, id, "hello");
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
});

test("ends the prompt that comes next, and each one more the next behind it; the others stay", async () => {
  const gate = await closedGate();
  const daemon = await startDaemon({ config: { agents, hooks: gate.hooks } });
  onTestFinished(async () => void (await daemon.stop()));
  const id = await starting(daemon, { prompt: "one" });
  for (const text of ["two", "three"]) await daemon.post(`/sessions/${id}/prompt`, { text });
  expect([await interrupt(daemon, id), await interrupt(daemon, id)]).toEqual([202, 202]);
  gate.open();
  const events = await readLog(daemon, id, { enough: (all) => ofType(all, "stdout").length > 0 });
  expect(results(events)).toEqual([
    { turn: "t1", status: "interrupted" },
    { turn: "t2", status: "interrupted" },
    { turn: "t3", status: "success" },
  ]);
  expect(ofType(events, "stdout")).toEqual([{ text: "echo: three" }]);
});

test("holds when it comes by a daemon that took the session over while it started", async () => {
  const gate = await closedGate();
  const first = await startDaemon({ config: { agents, hooks: gate.hooks } });
  onTestFinished(async () => void (await first.stop()));
  const id = await starting(first, { prompt: "one" });
  await first.kill9();
  const daemon = await startDaemon({ dataDir: first.dataDir });
  onTestFinished(async () => void (await daemon.stop()));
  expect(await interrupt(daemon, id)).toBe(202);
  expect(await interrupt(daemon, id)).toBe(202);
  gate.open();
  const events = await afterNext(daemon, id, "two");
  expect(results(events)).toEqual([
    { turn: "t1", status: "interrupted" },
    { turn: "t2", status: "success" },
  ]);
  expect(ofType(events, "stdout")).toEqual([{ text: "echo: two" }]);
});

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

test("comes to the agent behind a prompt whose images are being read", async () => {
  const gate = await closedGate();
  const claude = await startClaudeDaemon({ config: { hooks: gate.hooks } });
  onTestFinished(() => claude.stop());
  const { daemon } = claude;
  const images = [{ media_type: "image/png", data: pixel }];
  const id = await claude.create({ interactive: true, prompt: "[[bash:sleep 60]]", images });
  await isStarting(daemon, id);
  // Whoever reads a pipe waits until somebody writes into it.
  const blob = join(daemon.dataDir, "sessions", id, "blobs", "img-t1-1.png");
  rmSync(blob);
  execFileSync("mkfifo", [blob]);
  gate.open();
  const view = async () => (await daemon.get(`/sessions/${id}`)).body;
  await eventually(async () => (await view()).turn_id === "t1", { deadlineMs: 60_000, what: "a prompt on its way" });
  const interrupted = interrupt(daemon, id);
  await view();
  writeFileSync(blob, Buffer.from(pixel, "base64"));
  expect(await interrupted).toBe(202);
  const events = await claude.log(id, (all) => results(all).length > 0);
  expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
  await daemon.delete(`/sessions/${id}`);
});
