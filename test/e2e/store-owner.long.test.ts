import { cpSync, existsSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "libsql";
import { afterEach, expect, test } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { runCli } from "../support/start-daemon.ts";

const started: CountsDaemon[] = [];
afterEach(async () => {
  for (const counts of started.splice(0)) await counts.stop();
});
async function start(): Promise<CountsDaemon> {
  const counts = await startCountsDaemon();
  started.push(counts);
  return counts;
}

const key = { headers: { "idempotency-key": "same" } };
const request = { agent: "counts", interactive: true, prompt: "words=2" };
const storeFiles = ["state.db", "state.db-wal", "state.db-shm"];
const shown = async ({ daemon }: CountsDaemon, id: string) => (await daemon.get(`/sessions/${id}`)).body;

/** Processes that carry the session's id and belong to this data dir, by the folder in which they run. */
const agentsOf = (counts: CountsDaemon, id: string) =>
  sessionProcesses(id).filter((pid) => readlinkSync(`/proc/${pid}/cwd`).startsWith(dirname(counts.daemon.dataDir)));

/** Puts the store of one data dir into the place of another's; both daemons are dead. */
function exchangeStore(to: CountsDaemon, from: CountsDaemon): void {
  for (const name of storeFiles) {
    const [source, target] = [join(from.daemon.dataDir, name), join(to.daemon.dataDir, name)];
    rmSync(target, { force: true });
    if (existsSync(source)) cpSync(source, target);
  }
}

async function create(counts: CountsDaemon, sessionId: string): Promise<void> {
  const { status } = await counts.daemon.post("/sessions", { ...request, session_id: sessionId }, key);
  expect(status).toBe(201);
}

test("the store of another data dir, in which a session of the same id has ended, hides no live one, and answers no key", async () => {
  const id = "00000000-0000-4000-8000-000000000001";
  const prompt = { text: "words=3" };
  const begin = async (counts: CountsDaemon) => {
    await create(counts, id);
    expect((await counts.daemon.post(`/sessions/${id}/prompt`, prompt, key)).body.turn_id).toBe("t2");
  };
  const [other, mine] = [await start(), await start()];
  await begin(other);
  await begin(mine);
  const agents = await eventually(() => {
    const found = agentsOf(mine, id);
    return found.length === 1 ? found : undefined;
  });
  await other.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
  await other.until(id);
  await eventually(async () => (await other.daemon.get("/sessions?state=ended")).body.length === 1);
  await other.daemon.kill9();
  // What carries the id of a session that has ended is another data dir's, and lives.
  expect(agentsOf(mine, id)).toEqual(agents);
  await mine.daemon.kill9();

  exchangeStore(mine, other);
  await mine.restart();
  expect(mine.daemon.output()).toContain("was another data dir's");
  expect(await shown(mine, id)).toMatchObject({ session_id: id, status: "orphaned" });
  // No key of either is known: it is a prompt like any other.
  expect((await mine.daemon.post(`/sessions/${id}/prompt`, prompt, key)).body.turn_id).toBe("t3");
  await mine.daemon.kill9();
  await mine.restart();
  expect(mine.daemon.output()).not.toContain("was another data dir's");
  expect((await mine.daemon.post(`/sessions/${id}/prompt`, prompt, key)).body.turn_id).toBe("t3");
  await mine.daemon.kill9();

  // The same by hand, and an ended session of ours is in the index again.
  exchangeStore(mine, other);
  const reindex = await runCli(["reindex", "--data-dir", mine.daemon.dataDir]);
  expect(reindex.stderr).toContain("Indexed 0 ended sessions");
  await mine.restart();
  expect(mine.daemon.output()).not.toContain("was another data dir's");
  expect(await shown(mine, id)).toMatchObject({ status: "orphaned" });
  await mine.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
  await mine.until(id);
  await eventually(async () => (await mine.daemon.get("/sessions?state=ended")).body.length === 1);
  await mine.daemon.kill9();
  exchangeStore(mine, other);
  await mine.restart();
  expect((await mine.daemon.get("/sessions?state=ended")).body).toMatchObject([
    { session_id: id, end_reason: "stopped" },
  ]);
}, 90_000);

test("a copy of a data dir neither takes over nor ends what is alive in the one that it was made of", async () => {
  const original = await start();
  const id = "00000000-0000-4000-8000-000000000003";
  await create(original, id);
  await original.until(id, (events) => events.some(({ type }) => type === "result"));
  const agents = sessionProcesses(id);
  const copy = await start();
  await copy.daemon.kill9();
  for (const name of ["sessions", "data-dir-id"])
    cpSync(join(original.daemon.dataDir, name), join(copy.daemon.dataDir, name), { recursive: true });
  await copy.restart();
  await eventually(async () => (await copy.daemon.get("/sessions?state=ended")).body.length === 1);
  expect(await shown(copy, id)).toMatchObject({ status: "failed", end_reason: "sidecar_lost" });
  await copy.daemon.delete(`/sessions/${id}`);
  expect(sessionProcesses(id)).toEqual(agents);
  expect(await shown(original, id)).toMatchObject({ status: "running" });
  expect((await original.daemon.post(`/sessions/${id}/prompt`, { text: "words=1" })).body.turn_id).toBe("t2");
  await original.until(id, (events) => events.filter(({ type }) => type === "result").length === 2);
}, 60_000);

test("store and data dir of a version that knew no ids find each other: sessions are read anew, keys are kept", async () => {
  const counts = await start();
  const id = "00000000-0000-4000-8000-000000000002";
  await create(counts, id);
  await counts.daemon.kill9();
  const path = join(counts.daemon.dataDir, "data-dir-id");
  const before = readFileSync(path, "utf8");
  rmSync(path);
  const db = new Database(join(counts.daemon.dataDir, "state.db"));
  db.exec("drop table chat_steps; drop table chats; drop table owner");
  db.exec("delete from kysely_migration where name in ('0003-owner', '0004-chats')");
  // As if the index were another time's.
  db.exec("update sessions set standing = 'ended'");
  db.close();
  await counts.restart();
  expect(readFileSync(path, "utf8")).not.toBe(before);
  expect(await shown(counts, id)).toMatchObject({ status: "orphaned" });
  const again = await counts.daemon.post("/sessions", { ...request, session_id: id }, key);
  expect([again.status, again.body.session_id]).toEqual([201, id]);
  await counts.daemon.delete(`/sessions/${id}`);
}, 60_000);
