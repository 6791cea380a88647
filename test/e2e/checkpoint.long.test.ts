import { appendFileSync, cpSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

let counts: CountsDaemon;
afterEach(() => counts.stop());

/** Some 700 KiB of log, and two calls. */
const long = "steps=2 words=1800 pause=0";
/** As much before it asks, and again behind that. */
const asking = "steps=2 words=3000 pause=0 ask=1";
const everyBytes = 512 * 1024;

const recordPath = (id: string, dataDir = counts.daemon.dataDir) => join(dataDir, "sessions", id, "session.json");
const logPath = (id: string, dataDir = counts.daemon.dataDir) => join(dataDir, "sessions", id, "events.ndjson");
const recordOf = (id: string, dataDir?: string) => JSON.parse(readFileSync(recordPath(id, dataDir), "utf8"));
const resultsIn = (id: string) => counts.events(id).filter(({ type }) => type === "result").length;

/** The record once its checkpoint lies beyond. */
async function checkpointed(id: string, beyond = 0) {
  return eventually(() => recordOf(id).checkpoint?.offset > beyond && recordOf(id), {
    deadlineMs: 60_000,
    what: `a checkpoint beyond ${beyond}`,
  });
}

async function shown({ get }: Daemon, id: string) {
  // A daemon that has just come knows the activity once the sidecar has said it.
  const { body } = await eventually(async () => {
    const answer = await get(`/sessions/${id}`);
    return answer.body.turn_id !== undefined || answer.body.status !== "orphaned" ? answer : undefined;
  });
  const { uptime: _, status: __, state: ___, last_activity: ____, ...facts } = body;
  return facts;
}

/** More tokens than were used: whoever believes the checkpoint shows them. */
function withLie(record: ReturnType<typeof recordOf>, lie: object = {}): string {
  const { totals, ...checkpoint } = record.checkpoint;
  const told = { ...checkpoint, totals: { ...totals, input_tokens: totals.input_tokens + 1000 }, ...lie };
  return JSON.stringify({ ...record, checkpoint: told });
}

/** Of a data dir, for a copy of it. */
const isKept = (path: string) => !["daemon.json", "run"].includes(basename(path));

test("a restart finds totals, queue and questions as they were, whether it believes the checkpoint or must not", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: `${long} ask=1`, permission_mode: "interactive" });
  const question = async () =>
    eventually(async () => (await counts.daemon.get(`/sessions/${id}`)).body.inputs[0]?.request_id, {
      deadlineMs: 30_000,
    });
  const answer = (request: string, decision: string) =>
    counts.daemon.put(`/sessions/${id}/inputs/${request}`, { decision });
  const first = await question();
  expect((await answer(first, "approve_once")).status).toBe(200);
  const second = await eventually(async () => {
    const request = await question();
    return request !== first && request;
  });
  expect((await answer(second, "deny")).status).toBe(200);
  await eventually(() => resultsIn(id) === 1, { deadlineMs: 30_000 });
  const older = await checkpointed(id);
  // A turn that stands still at a question, and two that wait, before the checkpoint as behind it.
  await counts.daemon.post(`/sessions/${id}/prompt`, { text: asking });
  await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=1 wait" });
  const third = await question();
  const record = await checkpointed(id, older.checkpoint.offset);
  expect(record.checkpoint.open.length).toBeGreaterThan(2);
  expect(record.checkpoint.offset).toBeGreaterThan(everyBytes);
  await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=1 wait too" });
  const before = await shown(counts.daemon, id);
  expect(before).toMatchObject({ turn_id: "t2", inputs: [{ request_id: third }], tool_call_count: 3 });
  expect(before.queue.map((each: { turn_id: string }) => each.turn_id)).toEqual(["t3", "t4"]);
  await counts.daemon.kill9();

  const restartWith = async (text: string) => {
    writeFileSync(recordPath(id), text);
    await counts.restart();
    const found = await shown(counts.daemon, id);
    // Given before the checkpoint: the answer to who asks again is in a part of the log that was not read.
    expect((await answer(first, "approve_once")).status).toBe(200);
    expect((await answer(first, "deny")).body.error).toBe("input_answered");
    expect((await answer("nobody", "deny")).body.error).toBe("input_not_found");
    await counts.daemon.kill9();
    return found;
  };
  const { checkpoint, ...without } = record;
  expect(await restartWith(JSON.stringify(record))).toEqual(before);
  expect(await restartWith(JSON.stringify(without))).toEqual(before);
  expect(await restartWith(JSON.stringify(older))).toEqual(before);
  const believing = await restartWith(withLie(record));
  expect(believing).toEqual({ ...before, input_tokens: before.input_tokens + 1000 });
  const lies = {
    "beyond the file": { offset: 2 * statSync(logPath(id)).size },
    "inside a line": { offset: checkpoint.offset - 1 },
    "another line's number": { seq: checkpoint.seq + 1 },
    "another log": { proof: older.checkpoint.proof },
    "what is open begins inside a line": { open: [checkpoint.open[0] + 1] },
    "not a checkpoint": { offset: "far" },
  };
  for (const [name, lie] of Object.entries(lies))
    expect({ name, ...(await restartWith(withLie(record, lie))) }).toEqual({ name, ...before });
  appendFileSync(logPath(id), '{"type":"result","data":{"turn_id":"t3"');
  expect(await restartWith(JSON.stringify(record))).toEqual(before);

  await counts.restart();
  expect((await answer(third, "approve_once")).status).toBe(200);
  const fourth = await eventually(async () => {
    const request = await question();
    return request !== third && request;
  });
  expect((await answer(fourth, "approve_once")).status).toBe(200);
  await eventually(() => resultsIn(id) === 4, { deadlineMs: 30_000 });
  await counts.daemon.delete(`/sessions/${id}`);
  expect(counts.faultsOf(id)).toEqual([]);
  expect(existsSync(recordPath(id))).toBe(false);
}, 180_000);

test("a budget that was spent before the checkpoint is spent after it", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: long, max_budget_usd: 0.0015 });
  await eventually(() => resultsIn(id) === 1, { deadlineMs: 30_000 });
  await counts.daemon.post(`/sessions/${id}/prompt`, { text: long });
  await eventually(() => resultsIn(id) === 2, { deadlineMs: 30_000 });
  const { size } = statSync(logPath(id));
  await checkpointed(id, size - everyBytes);
  await counts.daemon.kill9();
  await counts.restart();
  expect((await counts.daemon.get(`/sessions/${id}`)).body).toMatchObject({ cost_usd: 0.002, turn_count: 2 });
  expect(await counts.daemon.post(`/sessions/${id}/prompt`, { text: "more" })).toMatchObject({
    body: { error: "budget_spent" },
  });
  await counts.daemon.delete(`/sessions/${id}`);
}, 90_000);

test("the end of a session whose sidecar died is the same with a checkpoint and without, also when its log was cut", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: long, permission_mode: "interactive" });
  await eventually(() => resultsIn(id) === 1, { deadlineMs: 30_000 });
  const first = await checkpointed(id);
  await counts.daemon.post(`/sessions/${id}/prompt`, { text: asking });
  await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=1 never" });
  const { checkpoint } = await checkpointed(id, first.checkpoint.offset);
  expect(checkpoint.open.length).toBe(4);
  await counts.daemon.kill9();
  process.kill(counts.sidecarPid(id), "SIGKILL");
  const places = { whole: undefined, "behind it": checkpoint.offset + 200, "before it": checkpoint.offset - 200 };
  for (const [name, cutAt] of Object.entries(places)) {
    const ends: unknown[] = [];
    for (const kind of ["with", "without"]) {
      const dataDir = join(dirname(counts.daemon.dataDir), `${name} ${kind}`.replaceAll(" ", "-"));
      cpSync(counts.daemon.dataDir, dataDir, { recursive: true, filter: isKept });
      if (cutAt !== undefined) truncateSync(logPath(id, dataDir), cutAt);
      const { checkpoint: _, ...without } = recordOf(id, dataDir);
      if (kind === "without") writeFileSync(recordPath(id, dataDir), JSON.stringify(without));
      const daemon = await startDaemon({ dataDir });
      const facts = await shown(daemon, id);
      await daemon.stop();
      expect(recordOf(id, dataDir).checkpoint).toBeUndefined();
      const tail = readFileSync(logPath(id, dataDir), "utf8").trimEnd().split("\n").slice(-12);
      const events = tail
        .map((line) => JSON.parse(line))
        .map(({ timestamp: _, ...event }) => ({
          ...event,
          data: { ...event.data, duration_ms: 0 },
        }));
      // How long the made-up end says that its call took may have a digit more.
      const { session_dir: _dir, log_file: _file, ended_at: _ended, log_bytes: _bytes, ...rest } = facts;
      ends.push({ events, rest });
    }
    expect(ends[0]).toEqual(ends[1]);
  }
}, 120_000);
