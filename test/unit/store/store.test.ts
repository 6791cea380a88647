import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Page, SessionRow, Store } from "../../../src/store/store.ts";
import { closeDatabases, databases, type TestedDatabase } from "./databases.ts";

const whole: SessionRow = {
  id: "a",
  standing: "ended",
  name: "first",
  task_id: "task",
  agent: "claude",
  runtime: "local",
  status: "completed",
  interactive: true,
  work_dir: "/w",
  agent_home: "private",
  home_of: "a",
  permission_mode: "autonomous",
  model: "m",
  agent_session_id: "conversation",
  tags: { team: "a", "odd key": 'it\'s "quoted"' },
  created_at: 1_700_000_000_123,
  ended_at: 1_700_000_000_456,
  last_activity: 1_700_000_000_400,
  end_reason: "finished",
  exit_code: 0,
  log_bytes: 2 ** 40,
  last_seq: 2 ** 33,
  turns: 3,
  tool_calls: 4,
  input_tokens: 2 ** 34,
  output_tokens: 5,
  cost_usd: 0.25,
};
const bare: SessionRow = { ...whole, id: "bare", name: null, task_id: null, model: null, tags: {}, cost_usd: null };
const oldest: Page = { order: "oldest", limit: 10 };
const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id);

afterAll(closeDatabases);

describe.each(Object.entries(databases))("the store in %s", (_name, make) => {
  let database: TestedDatabase;
  let store: Store;
  beforeEach(async () => {
    database = await make();
    store = await database.open();
  }, 120_000);
  afterEach(async () => {
    await store.close();
    await database.remove();
  });
  const ended = (n: number, changes: Partial<SessionRow> = {}): SessionRow => ({
    ...bare,
    id: `s${n}`,
    created_at: n,
    ended_at: n + 100,
    ...changes,
  });

  it("gives back a row as it was put, and the newer one after a second", async () => {
    await store.sessions.put(whole);
    await store.sessions.put(bare);
    expect(await store.sessions.byId("a")).toEqual(whole);
    expect(await store.sessions.byId("bare")).toEqual(bare);
    const newer: SessionRow = { ...whole, standing: "removed", name: null, interactive: false, cost_usd: 1.5 };
    await store.sessions.put(newer);
    expect(await store.sessions.byId("a")).toEqual(newer);
    expect(await store.sessions.byId("none")).toBeUndefined();
  });

  it("keeps what is in it when it is opened again, and its tables are brought up once", async () => {
    await store.sessions.put(whole);
    await store.close();
    store = await database.open();
    expect(await store.sessions.byId("a")).toEqual(whole);
  });

  it("knows whose it is; claimed for another data dir it knows no session, and a key and a token only if it is to", async () => {
    const claim = { bodyHash: "h", intent: {}, at: 1 };
    const token = { name: "ci", id: "1", scope: "write", digest: "aa", created_at: 1, expires_at: null } as const;
    await store.claim("first", { keepsOwned: false });
    await store.sessions.put(whole);
    await store.answers.claim({ scope: "s", key: "k" }, claim);
    await store.tokens.put(token);
    await store.close();
    store = await database.open();
    expect(await store.owner()).toBe("first");
    expect(await store.sessions.byId("a")).toEqual(whole);
    await store.claim("second", { keepsOwned: true });
    expect([await store.owner(), await store.sessions.standings()]).toEqual(["second", []]);
    expect(await store.answers.claim({ scope: "s", key: "k" }, claim)).toBeDefined();
    expect(await store.tokens.all()).toEqual([token]);
    await store.claim("third", { keepsOwned: false });
    expect(await store.tokens.all()).toEqual([]);
    expect(await store.answers.claim({ scope: "s", key: "k" }, claim)).toBeUndefined();
  });

  it("finds by id, name and conversation, the newest where several fit", async () => {
    await store.sessions.put(whole);
    await store.sessions.put({ ...whole, id: "b", created_at: 1_800_000_000_000 });
    await store.sessions.put({ ...whole, id: "c", standing: "live", name: "alive", created_at: 1_900_000_000_000 });
    expect((await store.sessions.findEnded("a"))?.id).toBe("a");
    expect((await store.sessions.findEnded("first"))?.id).toBe("b");
    expect(await store.sessions.findEnded("alive")).toBeUndefined();
    expect((await store.sessions.findConversation("conversation"))?.id).toBe("b");
    expect(await store.sessions.ownerOf("alive")).toBe("c");
    expect(await store.sessions.ownerOf("nobody")).toBeUndefined();
  });

  it("tells whose private home is in use", async () => {
    await store.sessions.put(whole);
    expect(await store.sessions.isHomeUsed("a", "a")).toBe(false);
    await store.sessions.put({ ...bare, home_of: "a" });
    expect(await store.sessions.isHomeUsed("a", "a")).toBe(true);
    await store.sessions.setStanding("bare", "removed");
    expect(await store.sessions.isHomeUsed("a", "a")).toBe(false);
  });

  it("pages over ended sessions in both orders, those of one millisecond by id", async () => {
    for (const n of [3, 1, 2]) await store.sessions.put(ended(n));
    await store.sessions.put(ended(4, { created_at: 2 }));
    await store.sessions.put(ended(5, { standing: "live" }));
    const { sessions } = store;
    expect(idsOf(await sessions.pageEnded({}, oldest))).toEqual(["s1", "s2", "s4", "s3"]);
    expect(idsOf(await sessions.pageEnded({}, { order: "newest", limit: 2 }))).toEqual(["s3", "s4"]);
    const after = { created_at: 2, id: "s2" };
    expect(idsOf(await sessions.pageEnded({}, { ...oldest, after }))).toEqual(["s4", "s3"]);
    expect(idsOf(await sessions.pageEnded({}, { order: "newest", limit: 9, after }))).toEqual(["s1"]);
  });

  it("filters by each field, by tags all at once, and by times", async () => {
    await store.sessions.put(ended(1, { tags: { team: "a", tier: "x" }, agent: "codex" }));
    await store.sessions.put(ended(2, { tags: { team: "a" }, status: "failed", work_dir: "/v" }));
    await store.sessions.put(ended(3, { task_id: "t" }));
    const found = async (filter: Parameters<Store["sessions"]["pageEnded"]>[0]) =>
      idsOf(await store.sessions.pageEnded(filter, oldest));
    expect(await found({ tags: { team: "a" } })).toEqual(["s1", "s2"]);
    expect(await found({ tags: { team: "a", tier: "x" } })).toEqual(["s1"]);
    expect(await found({ agent: "codex" })).toEqual(["s1"]);
    expect(await found({ status: "failed" })).toEqual(["s2"]);
    expect(await found({ workDir: "/v" })).toEqual(["s2"]);
    expect(await found({ taskId: "t" })).toEqual(["s3"]);
    expect(await found({ idPrefix: "s" })).toEqual(["s1", "s2", "s3"]);
    expect(await found({ since: 2, until: 3 })).toEqual(["s2"]);
  });

  it("orders the history by end, those without one last, and leaves live ones out", async () => {
    await store.sessions.put(ended(1));
    await store.sessions.put(ended(2, { standing: "removed" }));
    await store.sessions.put(ended(3, { standing: "foreign", ended_at: null, created_at: null }));
    await store.sessions.put(ended(4, { standing: "live" }));
    expect(idsOf(await store.sessions.history(10))).toEqual(["s2", "s1", "s3"]);
    expect(idsOf(await store.sessions.history(1))).toEqual(["s2"]);
  });

  it("finds what a policy lets go of, by number and by age", async () => {
    for (const n of [1, 2, 3]) await store.sessions.put(ended(n));
    await store.sessions.put(ended(4, { standing: "foreign" }));
    await store.sessions.put(ended(5, { standing: "live" }));
    const beyond = async (count: number | undefined, endedBefore: number | undefined) =>
      new Set(idsOf(await store.sessions.beyond({ count, endedBefore })));
    expect(await beyond(undefined, undefined)).toEqual(new Set());
    expect(await beyond(1, undefined)).toEqual(new Set(["s1", "s2"]));
    expect(await beyond(undefined, 102)).toEqual(new Set(["s1"]));
    expect(await beyond(2, 103)).toEqual(new Set(["s1", "s2"]));
    expect(await beyond(0, undefined)).toEqual(new Set(["s1", "s2", "s3"]));
  });

  it("goes through all that ended before a time, by id", async () => {
    for (const n of [3, 1, 2]) await store.sessions.put(ended(n));
    await store.sessions.put(ended(4, { standing: "removed" }));
    await store.sessions.put(ended(5, { standing: "live", ended_at: 1 }));
    expect(idsOf(await store.sessions.endedBefore(1000, undefined))).toEqual(["s1", "s2", "s3", "s4"]);
    expect(idsOf(await store.sessions.endedBefore(103, "s1"))).toEqual(["s2"]);
    expect(await store.sessions.endedBefore(1000, "s4")).toEqual([]);
  });

  it("tells where each stands, and forgets many at once with their tags", async () => {
    const ids = Array.from({ length: 1200 }, (_, n) => n);
    for (const n of ids) await store.sessions.put(ended(n, { tags: { n: String(n) } }));
    expect(await store.sessions.standings()).toHaveLength(1200);
    await store.sessions.setStanding("s7", "removing");
    expect(await store.sessions.standings("removing")).toEqual([
      { id: "s7", standing: "removing", log_bytes: bare.log_bytes },
    ]);
    await store.sessions.drop(ids.filter((n) => n !== 7).map((n) => `s${n}`));
    expect(await store.sessions.standings()).toHaveLength(1);
    // One made anew under an id has none of the tags that were there before.
    await store.sessions.put(ended(8));
    expect(await store.sessions.pageEnded({ tags: { n: "8" } }, oldest)).toEqual([]);
  });

  it("gives a key to the first who claims it, also when many do at once", async () => {
    const key = { scope: "POST /sessions", key: "k" };
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        store.answers.claim(key, { bodyHash: `h${n}`, intent: { n }, at: 2 ** 41 + n }),
      ),
    );
    const winners = claims.flatMap((earlier, n) => (earlier === undefined ? [n] : []));
    expect(winners).toHaveLength(1);
    const [winner] = winners;
    const known = { bodyHash: `h${winner}`, intent: { n: winner }, answer: undefined };
    for (const earlier of claims) if (earlier) expect(earlier).toEqual(known);
    await store.answers.keep(key, { status: 201, body: { text: "ü\n" } });
    const again = await store.answers.claim(key, { bodyHash: "x", intent: null, at: 0 });
    expect(again).toEqual({ ...known, answer: { status: 201, body: { text: "ü\n" } } });
    await store.answers.release(key);
    expect(await store.answers.claim(key, { bodyHash: "x", intent: null, at: 0 })).toBeUndefined();
  });

  it("forgets keys by age and above a number", async () => {
    const claim = (n: number) =>
      store.answers.claim({ scope: "s", key: `k${n}` }, { bodyHash: "h", intent: null, at: n });
    for (const n of [1, 2, 3, 4]) await claim(n);
    await store.answers.forget({ before: 2, countMax: 2 });
    expect(await claim(3)).toMatchObject({ bodyHash: "h" });
    expect(await claim(4)).toMatchObject({ bodyHash: "h" });
    expect(await claim(2)).toBeUndefined();
    expect(await claim(1)).toBeUndefined();
  });

  it("keeps tokens by name, the newer one after a second, until they are removed", async () => {
    const ci = { name: "ci", id: "1", scope: "write", digest: "aa", created_at: 2 ** 41, expires_at: 2 ** 42 } as const;
    const desk = { ...ci, name: "desk", id: "2", created_at: 2 ** 41 - 1, expires_at: null };
    await store.tokens.put(ci);
    await store.tokens.put(desk);
    expect(await store.tokens.all()).toEqual([desk, ci]);
    const next = { ...ci, id: "3", digest: "bb", scope: "read" } as const;
    await store.tokens.put(next);
    await store.tokens.remove("desk");
    await store.close();
    store = await database.open();
    expect(await store.tokens.all()).toEqual([next]);
  });
});
