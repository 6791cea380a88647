/** A log that somebody's disk or editor has damaged in the middle: what is whole of it is used, by everybody. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { results } from "../support/claude-daemon.ts";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { runCli, startDaemon } from "../support/start-daemon.ts";

let counts: CountsDaemon | undefined;
afterEach(async () => {
  await counts?.stop();
  counts = undefined;
});

/** Half of the first line that matches becomes what an empty block of a disk is. */
function damage(path: string, which: RegExp): number {
  const lines = readFileSync(path, "latin1").split("\n");
  const at = lines.findIndex((line) => which.test(line));
  const line = lines[at] ?? "";
  lines[at] = line.slice(0, 40) + "\0".repeat(line.length - 40);
  writeFileSync(path, lines.join("\n"), "latin1");
  return lines.slice(0, at).join("\n").length + (at > 0 ? 1 : 0);
}

const resultsOf = (text: string) =>
  results(
    text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    }),
  );

test("a live session is taken over, and a prompt whose result was damaged is not given a second time", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: "words=3" });
  await counts.until(id, (events) => results(events).length === 1);
  // What is damaged stands before something that is whole, and the sidecar has let go of it.
  await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=2" });
  await counts.until(id, (events) => results(events).length === 2);
  await counts.daemon.kill9();
  const path = join(counts.dirOf(id), "events.ndjson");
  const at = damage(path, /^\{"type":"result"/);
  await counts.restart();
  const { daemon } = counts;
  expect(daemon.output()).toContain(`The log of session \\"${id}\\" is damaged at byte ${at}`);
  const log = async () => resultsOf((await daemon.get(`/sessions/${id}/log`)).text);
  await eventually(async () => (await log()).length === 2, { what: "the end of the first turn" });
  await daemon.post(`/sessions/${id}/prompt`, { text: "words=1" });
  await eventually(async () => (await log()).length === 3, { what: "the third turn" });
  expect(await log()).toEqual([
    { turn: "t2", status: "success" },
    { turn: "t1", status: "aborted" },
    // The damaged line may have been two, of which one gave t3 away.
    { turn: "t4", status: "success" },
  ]);
  // What the agent was given it has written down.
  const journal = readFileSync(join(counts.journalDir, `${id}.ndjson`), "utf8");
  expect(journal.match(/"got":"words=\d/g)).toEqual(['"got":"words=3', '"got":"words=2', '"got":"words=1']);
  expect((await daemon.delete(`/sessions/${id}`)).status).toBe(200);
});

test("a live session whose last line is somebody else's goes on behind it", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: "words=3" });
  await counts.until(id, (events) => results(events).length === 1);
  await counts.daemon.kill9();
  const path = join(counts.dirOf(id), "events.ndjson");
  writeFileSync(path, "a note of the operator's\n", { flag: "a" });
  await counts.restart();
  const { daemon } = counts;
  expect(daemon.output()).toContain(`The log of session \\"${id}\\" is damaged at byte`);
  await daemon.post(`/sessions/${id}/prompt`, { text: "words=2" });
  const log = async () => resultsOf((await daemon.get(`/sessions/${id}/log`)).text);
  await eventually(async () => (await log()).length === 2, { what: "the second turn" });
  expect((await log()).map(({ status }) => status)).toEqual(["success", "success"]);
  await daemon.delete(`/sessions/${id}`);
});

test("of an ended session every whole line is read, by all ways, and its figures are made anew", async () => {
  const echo = fileURLToPath(new URL("../fixtures/agents/echo.mjs", import.meta.url));
  const first = await startDaemon({ config: { agents: { echo: { command: process.execPath, args: [echo] } } } });
  onTestFinished(async () => void (await first.stop()));
  const { body } = await first.post("/sessions", { agent: "echo", prompt: "hello" });
  const id: string = body.session_id;
  const whole = await readLog(first, id);
  await first.leave();
  const path = join(first.dataDir, "sessions", id, "events.ndjson");
  damage(path, /^\{"type":"user_message"/);
  writeFileSync(path, "a note of the operator's\n", { flag: "a" });
  const reindexed = await runCli(["reindex", "--data-dir", first.dataDir]);
  expect(reindexed.exitCode).toBe(0);
  expect(reindexed.stderr).toContain(`The log of session "${id}" is damaged at byte 0`);
  const daemon = await startDaemon({ dataDir: first.dataDir });
  onTestFinished(async () => void (await daemon.stop()));

  const bytes = readFileSync(path, "utf8");
  expect((await daemon.get(`/sessions/${id}`)).body).toMatchObject({ status: "completed", turn_count: 1 });
  expect((await daemon.get(`/sessions/${id}/log`)).text).toBe(bytes);
  expect((await daemon.get(`/sessions/${id}/logs`)).text).toBe(bytes);
  const sound = whole.slice(1).map(({ seq }) => seq);
  const stream = await daemon.get(`/sessions/${id}/stream?offset=-1`);
  expect(stream.body.map(({ seq }: { seq: number }) => seq)).toEqual(sound);
  // By the WebSocket.
  const followed = await daemon.cli("logs", "--follow", "--json", id);
  expect(`${followed.stdout}\n`).toBe(bytes);
  const shown = await daemon.cli("logs", id);
  expect(shown.exitCode).toBe(0);
  expect(shown.stdout).toContain("echo: hello");
  expect(daemon.output()).toContain("are none of agentd's");
});

test("two lines that are JSON only together are no message of the stream", async () => {
  const echo = fileURLToPath(new URL("../fixtures/agents/echo.mjs", import.meta.url));
  const daemon = await startDaemon({ config: { agents: { echo: { command: process.execPath, args: [echo] } } } });
  onTestFinished(async () => void (await daemon.stop()));
  const { body } = await daemon.post("/sessions", { agent: "echo", prompt: "hello" });
  const whole = await readLog(daemon, body.session_id);
  await daemon.leave();
  const path = join(daemon.dataDir, "sessions", body.session_id, "events.ndjson");
  writeFileSync(path, '{"halves":[1\n2]}\n', { flag: "a" });
  const next = await startDaemon({ dataDir: daemon.dataDir });
  onTestFinished(async () => void (await next.stop()));
  const stream = await next.get(`/sessions/${body.session_id}/stream?offset=-1`);
  expect(stream.body.map(({ seq }: { seq: number }) => seq)).toEqual(whole.map(({ seq }) => seq));
});
