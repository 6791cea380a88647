import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { afterEach, describe, expect, it } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { runCli, startDaemon } from "../support/start-daemon.ts";
import { canMount, mountSmallDisk } from "../torture/small-disk.ts";

let counts: CountsDaemon;
afterEach(() => counts.stop());

const key = (text: string) => ({ headers: { "idempotency-key": text } });
const dbPath = () => join(counts.daemon.dataDir, "state.db");
const views = async (query = "") => (await counts.daemon.get(`/sessions${query}`)).body as Record<string, unknown>[];
const ids = async (query = "") => (await views(query)).map((view) => view["session_id"]);
const folders = () => readdirSync(join(counts.daemon.dataDir, "sessions"));

/** The row of the only key, changed as a daemon would have left it that died over it. */
function forgetAnswer(): void {
  const db = new Database(dbPath());
  db.exec("update answers set status = null, body = null");
  db.close();
}

describe("an idempotency key", () => {
  it("gets the first answer from the next daemon, and makes no second session", async () => {
    counts = await startCountsDaemon();
    const body = { agent: "counts", interactive: true, prompt: "words=3" };
    const first = await counts.daemon.post("/sessions", body, key("a"));
    const prompt = await counts.daemon.post(`/sessions/${first.body.session_id}/prompt`, { text: "words=2" }, key("b"));
    await counts.daemon.kill9();
    await counts.restart();
    const second = await counts.daemon.post("/sessions", body, key("a"));
    expect([second.status, second.body]).toEqual([first.status, first.body]);
    const again = await counts.daemon.post(`/sessions/${first.body.session_id}/prompt`, { text: "words=2" }, key("b"));
    expect([again.status, again.body]).toEqual([prompt.status, prompt.body]);
    expect((await counts.daemon.post("/sessions", { ...body, prompt: "other" }, key("a"))).status).toBe(409);
    expect(folders()).toHaveLength(1);
    await counts.daemon.delete(`/sessions/${first.body.session_id}`);
  });

  it("over whose creation a daemon died is answered with the session that came of it, or is done now", async () => {
    counts = await startCountsDaemon();
    const body = { agent: "counts", interactive: true, prompt: "words=3" };
    const first = await counts.daemon.post("/sessions", body, key("a"));
    await counts.daemon.kill9();
    forgetAnswer();
    await counts.restart();
    const second = await counts.daemon.post("/sessions", body, key("a"));
    expect(second.status).toBe(201);
    expect(second.body).toMatchObject({ session_id: first.body.session_id, turn_id: "t1" });
    expect(folders()).toHaveLength(1);
    await counts.daemon.delete(`/sessions/${first.body.session_id}`);
    await counts.daemon.kill9();
    // As if the session had never come about.
    forgetAnswer();
    rmSync(join(counts.daemon.dataDir, "sessions"), { recursive: true });
    await counts.restart();
    const third = await counts.daemon.post("/sessions", body, key("a"));
    expect(third.status).toBe(201);
    expect(third.body.session_id).not.toBe(first.body.session_id);
    expect(await ids()).toEqual([third.body.session_id]);
    await counts.daemon.delete(`/sessions/${third.body.session_id}`);
  });

  it("over whose prompt a daemon died finds it in the log, and a steer that is in none stays unknown", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=3" });
    const prompt = () => counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=2" }, key("p"));
    const first = await prompt();
    const prompts = () => counts.events(id).filter(({ type }) => type === "user_message").length;
    expect(prompts()).toBe(2);
    await counts.daemon.kill9();
    forgetAnswer();
    const db = new Database(dbPath());
    db.exec(
      `insert into answers select 'POST /sessions/${id}/steer', 's', body_hash, intent, claimed_at, null, null from answers`,
    );
    db.close();
    await counts.restart();
    const again = await prompt();
    expect([again.status, again.body.turn_id]).toEqual([202, first.body.turn_id]);
    expect(prompts()).toBe(2);
    // The same body, so that the claim above is its own; the same text in the log is not.
    const steer = await counts.daemon.post(`/sessions/${id}/steer`, { text: "words=2" }, key("s"));
    expect([steer.status, steer.body.error]).toEqual([409, "outcome_unknown"]);
    await counts.daemon.delete(`/sessions/${id}`);
  });
});

describe("the index", () => {
  it("lists right after a kill what was there, ended and live, by every filter", async () => {
    counts = await startCountsDaemon();
    const done = await counts.create({ prompt: "words=1", interactive: false, tags: { team: "a" }, name: "done" });
    await counts.until(done);
    const live = await counts.create({ prompt: "words=1", tags: { team: "b" } });
    await eventually(async () => (await ids("?state=ended")).length === 1);
    const before = (await views("?state=ended"))[0];
    await counts.daemon.kill9();
    await counts.restart();
    expect(await ids()).toEqual([done, live]);
    expect(await ids("?order=newest")).toEqual([live, done]);
    expect(await ids("?state=ended")).toEqual([done]);
    expect(await ids("?state=live")).toEqual([live]);
    expect(await ids("?tag.team=a")).toEqual([done]);
    expect(await ids(`?id_prefix=${live.slice(0, 8)}`)).toEqual([live]);
    expect(await ids(`?since=${before?.["created_at"]}&limit=1`)).toEqual([done]);
    expect(await ids("?until=1")).toEqual([]);
    expect(await ids(`?after=${done}`)).toEqual([live]);
    expect((await views("?state=ended"))[0]).toEqual(before);
    const { body } = await counts.daemon.get("/sessions/done");
    expect(body).toEqual(before);
    await counts.daemon.delete(`/sessions/${live}`);
  });

  it("is made again from the folders, without the store and by reindex alike", async () => {
    counts = await startCountsDaemon();
    const kept = await counts.create({ prompt: "words=2", interactive: false, tags: { team: "a" } });
    const removed = await counts.create({ prompt: "words=1", interactive: false });
    await Promise.all([counts.until(kept), counts.until(removed)]);
    await eventually(async () => (await ids("?state=ended")).length === 2);
    await counts.daemon.delete(`/sessions/${removed}`);
    const before = (await views())[0];
    await counts.daemon.kill9();
    for (const end of ["", "-wal", "-shm"]) rmSync(`${dbPath()}${end}`, { force: true });
    await counts.restart();
    const { last_activity: _, ...facts } = before ?? {};
    expect((await views())[0]).toMatchObject(facts);
    const history = async () =>
      (await counts.daemon.get("/sessions/history")).body.map((one: { session_id: string }) => one.session_id);
    expect(new Set(await history())).toEqual(new Set([kept, removed]));
    await counts.daemon.kill9();
    // A journal that is whole would mend the file.
    rmSync(`${dbPath()}-wal`, { force: true });
    writeFileSync(dbPath(), "no database".repeat(1000));
    const refused = await startDaemon({ dataDir: counts.daemon.dataDir }).catch((error: Error) => error);
    expect(String(refused)).toMatch(/Cannot open the store .*agentd reindex/);
    const reindex = await runCli(["reindex", "--data-dir", counts.daemon.dataDir]);
    expect([reindex.exitCode, reindex.stderr]).toEqual([
      0,
      expect.stringContaining("1 ended sessions, 1 logs of deleted ones"),
    ]);
    const aside = readdirSync(counts.daemon.dataDir).filter((name) => /^state\.db\.aside-.*Z$/.test(name));
    expect(aside).toHaveLength(1);
    expect(readFileSync(join(counts.daemon.dataDir, aside[0] ?? ""), "utf8")).toContain("no database");
    await counts.restart();
    expect((await views())[0]).toMatchObject(facts);
    expect(await ids("?tag.team=a")).toEqual([kept]);
    const busy = await runCli(["reindex", "--data-dir", counts.daemon.dataDir]);
    expect([busy.exitCode, busy.stderr]).toEqual([1, expect.stringContaining("the daemon with pid")]);
  });

  it("of a newer version is refused and left as it is; a folder taken away is forgotten at the start", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=1", interactive: false });
    await counts.until(id);
    await eventually(async () => (await ids("?state=ended")).length === 1);
    await counts.daemon.kill9();
    const db = new Database(dbPath());
    db.exec("insert into kysely_migration values ('9999-of-tomorrow', '2030-01-01')");
    db.close();
    const refused = await startDaemon({ dataDir: counts.daemon.dataDir }).catch((error: Error) => error);
    expect(String(refused)).toMatch(/a newer agentd made it \(it knows 9999-of-tomorrow\)/);
    expect(existsSync(dbPath())).toBe(true);
    const back = new Database(dbPath());
    back.exec("delete from kysely_migration where name like '9999%'");
    back.close();
    rmSync(counts.dirOf(id), { recursive: true });
    await counts.restart();
    expect(await ids()).toEqual([]);
    expect((await counts.daemon.get(`/sessions/${id}`)).status).toBe(404);
  });
});

describe("a session that has ended", () => {
  it("shows what it was asked for as it did while it was live, after a restart too", async () => {
    counts = await startCountsDaemon();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const { body } = await counts.daemon.post(
      "/sessions",
      { agent: "counts", interactive: true, prompt: "words=1" },
      { headers: { traceparent } },
    );
    const id = String(body.session_id);
    const shown = async () => (await counts.daemon.get(`/sessions/${id}`)).body;
    expect(await shown()).toMatchObject({ traceparent, status: "running" });
    await counts.daemon.post(`/sessions/${id}/stop`, { mode: "drain" });
    await counts.until(id);
    await eventually(async () => (await ids("?state=ended")).length === 1);
    const before = await shown();
    expect(before).toMatchObject({ traceparent, status: "completed", turn_count: 1 });
    await counts.daemon.kill9();
    await counts.restart();
    const { last_activity: _, ...facts } = before;
    expect(await shown()).toMatchObject(facts);
  });
});

describe("context for the next prompt", () => {
  it("is in the log before the sidecar has taken it", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=1" });
    await counts.until(id, (events) => events.some(({ type }) => type === "result"));
    const pid = counts.sidecarPid(id);
    process.kill(pid, "SIGSTOP");
    const sent = counts.daemon.post(`/sessions/${id}/context`, { text: "the sky is green" });
    try {
      await counts.until(id, (events) =>
        events.some(({ type, data }) => type === "user_message" && data["kind"] === "context"),
      );
    } finally {
      process.kill(pid, "SIGCONT");
    }
    expect((await sent).status).toBe(202);
    await counts.daemon.delete(`/sessions/${id}`);
  });
});

/** It cannot be removed, whoever tries: by root, since something is mounted in it. */
async function hold(folder: string): Promise<{ letGo(): Promise<void> }> {
  if (canMount) return { letGo: mountSmallDisk(join(folder, "held"), 1).remove };
  chmodSync(folder, 0o500);
  return { letGo: async () => chmodSync(folder, 0o700) };
}

describe("gc", () => {
  it("removes by a policy the folder in which only a private home is left, and no other that the index does not know", async () => {
    counts = await startCountsDaemon();
    const folder = (name: string) => join(counts.daemon.dataDir, "sessions", name);
    mkdirSync(join(folder("left"), "home", ".claude"), { recursive: true });
    mkdirSync(join(folder("other"), "home"), { recursive: true });
    writeFileSync(join(folder("other"), "notes.txt"), "somebody's");
    await counts.daemon.cli("gc");
    expect(existsSync(folder("left"))).toBe(true);
    await counts.daemon.kill9();
    await counts.restart(["--keep-days", "1"]);
    await eventually(() => !existsSync(folder("left")));
    expect(existsSync(folder("other"))).toBe(true);
  });

  it("removes no session whose folder does not say that it is over, whatever the index says", async () => {
    counts = await startCountsDaemon();
    const id = await counts.create({ prompt: "words=1" });
    await counts.until(id, (events) => events.some(({ type }) => type === "result"));
    await counts.daemon.kill9();
    const db = new Database(dbPath());
    db.exec("update sessions set standing = 'ended', ended_at = 1");
    db.close();
    await counts.restart(["--keep-sessions", "0", "--compress-days", "0"]);
    expect((await counts.daemon.post("/gc")).body).toMatchObject({ keep_sessions: 0, sessions: [], compressed: [] });
    expect(existsSync(join(counts.dirOf(id), "events.ndjson"))).toBe(true);
    // An index that is made anew knows that it lives.
    await counts.daemon.kill9();
    await runCli(["reindex", "--data-dir", counts.daemon.dataDir]);
    await counts.restart();
    await counts.daemon.delete(`/sessions/${id}`);
  });

  it("removes and tells the others when one cannot be removed, and says why of that one", async () => {
    counts = await startCountsDaemon();
    await counts.daemon.kill9();
    await counts.restart(["--keep-sessions", "0"]);
    const made: string[] = [];
    for (let n = 0; n < 2; n++) {
      const id = await counts.create({ prompt: "words=1", interactive: false });
      await counts.until(id);
      made.push(id);
    }
    const wouldGo = async () => (await counts.daemon.post("/gc", { dry_run: true })).body.sessions.length;
    await eventually(async () => (await wouldGo()) === made.length, { what: "their ends in the store" });
    const [stuck = "", other = ""] = made;
    const held = await hold(counts.dirOf(stuck));
    try {
      const { status, body } = await counts.daemon.post("/gc");
      expect([status, body.sessions]).toEqual([200, [expect.objectContaining({ session_id: other })]]);
      const message = expect.stringMatching(/^Cannot remove session ".*": E.*"agentd gc" again$/);
      expect(body.failed).toEqual([{ session_id: stuck, error: "internal", message }]);
      expect(made.map((id) => existsSync(counts.dirOf(id)))).toEqual([true, false]);
      const again = await counts.daemon.cli("gc");
      expect([again.exitCode, again.stdout]).toEqual([1, ""]);
      expect(again.stderr).toMatch(new RegExp(`^Removed 0 sessions\nCannot remove session "${stuck}"`));
      const asJson = await counts.daemon.cli("gc", "--json");
      expect([asJson.exitCode, JSON.parse(asJson.stdout).failed]).toEqual([1, body.failed]);
    } finally {
      await held.letGo();
    }
    expect(await counts.daemon.cli("gc")).toMatchObject({ exitCode: 0, stderr: "Removed 1 session" });
    expect(existsSync(counts.dirOf(stuck))).toBe(false);
  });

  it("removes nothing without a policy, and by one the oldest ended sessions whole", async () => {
    counts = await startCountsDaemon();
    const made: string[] = [];
    for (let n = 0; n < 3; n++) {
      const id = await counts.create({ prompt: "words=1", interactive: false });
      await counts.until(id);
      await eventually(async () => (await ids("?state=ended")).length === n + 1);
      made.push(id);
    }
    const live = await counts.create({ prompt: "words=1" });
    expect((await counts.daemon.post("/gc")).body).toMatchObject({ keep_sessions: null, sessions: [] });
    await counts.daemon.kill9();
    const configFile = join(counts.daemon.dataDir, "config-of-test.json");
    const config = JSON.parse(readFileSync(configFile, "utf8"));
    writeFileSync(configFile, JSON.stringify({ ...config, retention: { keep_sessions: 2 } }));
    await counts.restart();
    // Once at the start.
    await eventually(() => !existsSync(counts.dirOf(made[0] ?? "")));
    expect(await ids()).toEqual([made[1], made[2], live]);
    await counts.daemon.delete(`/sessions/${live}`);
    const dry = await counts.daemon.cli("gc", "--dry-run");
    expect([dry.stdout, dry.stderr]).toEqual([expect.stringContaining(made[1] ?? ""), "Would remove 1 session"]);
    expect(existsSync(counts.dirOf(made[1] ?? ""))).toBe(true);
    expect((await counts.daemon.cli("gc")).stderr).toBe("Removed 1 session");
    expect(existsSync(counts.dirOf(made[1] ?? ""))).toBe(false);
    expect(await ids()).toEqual([made[2]]);
    expect((await counts.daemon.get(`/sessions/${made[1]}/log`)).status).toBe(404);
  });
});
