import { execFile } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { openSocket, runCli } from "../support/start-daemon.ts";

const run = promisify(execFile);
let counts: CountsDaemon;
afterEach(() => counts.stop());

const logOf = (id: string) => join(counts.dirOf(id), "events.ndjson");
const endedCount = async () => (await counts.daemon.get("/sessions?state=ended")).body.length;

/** What each door gives of the log. */
async function read(id: string) {
  const { daemon } = counts;
  const text = async (path: string, headers: Record<string, string> = {}) => {
    const { status, text: body, headers: got } = await daemon.get(`/sessions/${id}${path}`, { headers });
    return { status, body, range: got.get("content-range"), next: got.get("agentruntime-log-cursor") };
  };
  const socket = await openSocket({ ...daemon, id, since: 100 });
  await socket.ended();
  return {
    log: await text("/log"),
    inner: await text("/log", { range: "bytes=1000-1999" }),
    tail: await text("/log", { range: "bytes=-300" }),
    beyond: (await text("/log", { range: "bytes=99999999-" })).status,
    logs: await text("/logs?cursor=0"),
    limited: await text("/logs?cursor=0&limit=2000"),
    rest: await text("/logs?cursor=1500"),
    stream: await text("/stream"),
    events: await text("/events?since=0"),
    socket: { bytes: socket.bytes.toString(), closed: socket.closed },
  };
}

test("what a policy has compressed is read by each door as it was, and counted the same from the folders", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: "steps=5 words=40", interactive: false, keep_raw: true });
  const log = await counts.until(id).then(() => readFileSync(logOf(id)));
  const gone = await counts.create({ prompt: "words=1", interactive: false });
  await counts.until(gone);
  const live = await counts.create({ prompt: "words=1" });
  await counts.until(live, (events) => events.some(({ type }) => type === "result"));
  await eventually(async () => (await endedCount()) === 2);
  await counts.daemon.delete(`/sessions/${gone}`);
  const before = await read(id);
  expect(before.log.body).toBe(log.toString());
  const goneBefore = (await counts.daemon.get(`/sessions/${gone}/log`)).text;
  const shown = (await counts.daemon.get(`/sessions/${id}`)).body;
  expect((await counts.daemon.post("/gc")).body).toMatchObject({ compress_days: null, compressed: [] });
  expect(existsSync(logOf(id))).toBe(true);
  // A copy of what a crash between the new file and the removal of the old one leaves.
  copyFileSync(logOf(id), `${logOf(id)}.gz`);
  await counts.daemon.kill9();
  await counts.restart(["--compress-days", "0"]);
  const plain = [logOf(id), logOf(gone), join(counts.dirOf(id), "raw.ndjson")];
  await eventually(() => !plain.some(existsSync), { deadlineMs: 30_000, what: "the end of the compression" });
  expect(existsSync(join(counts.dirOf(id), "raw.ndjson.gz"))).toBe(true);
  expect(existsSync(logOf(live))).toBe(true);
  expect(await read(id)).toEqual(before);
  expect((await counts.daemon.get(`/sessions/${gone}/log`)).text).toBe(goneBefore);
  const { stdout } = await run(process.execPath, ["--import", "tsx", "test/tools/verify-log.ts", `${logOf(id)}.gz`], {
    env: { ...process.env, TMPDIR: counts.journalDir },
  });
  expect(stdout).toContain("whole, ended");
  await counts.daemon.delete(`/sessions/${live}`);
  await counts.daemon.kill9();
  const reindex = await runCli(["reindex", "--data-dir", counts.daemon.dataDir]);
  expect(reindex.stderr).toContain("1 ended sessions, 2 logs of deleted ones");
  await counts.restart();
  const { uptime: _, last_activity: __, ...facts } = shown;
  const after = { ...facts, log_file: `${facts.log_file}.gz` };
  expect((await counts.daemon.get(`/sessions/${id}`)).body).toMatchObject(after);
  expect(await read(id)).toEqual(before);
}, 180_000);

test("gc tells what a policy would compress, does it, and tells what it takes", async () => {
  counts = await startCountsDaemon();
  await counts.daemon.stop();
  await counts.restart(["--compress-days", "0"]);
  const id = await counts.create({ prompt: "words=200", interactive: false, name: "nightly" });
  await counts.until(id);
  await eventually(async () => (await endedCount()) === 1);
  const dry = await eventually(async () => {
    const found = await counts.daemon.cli("gc", "--dry-run");
    return found.stderr === "Would compress 1 log" ? found : undefined;
  });
  expect(dry.stdout).toContain(id);
  expect(existsSync(logOf(id))).toBe(true);
  const done = await counts.daemon.cli("gc");
  expect([done.stdout, done.stderr]).toEqual([
    expect.stringMatching(new RegExp(`^${id} {2}nightly {2}\\d+ bytes of log in \\d+`)),
    "Compressed 1 log",
  ]);
  expect([existsSync(logOf(id)), existsSync(`${logOf(id)}.gz`)]).toEqual([false, true]);
});
