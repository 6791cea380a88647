import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const fixture = (name: string) => new URL(`../fixtures/agents/${name}`, import.meta.url).pathname;
const node = (name: string, ...args: string[]) => ({ command: process.execPath, args: [fixture(name), ...args] });
const goSession = "99999999-0000-4000-8000-000000000000";
const goLog =
  '{"type":"agent_message","data":{"text":"old"}}\n{"type":"result","data":{"status":"success"},"timestamp":1700000000000}\n';

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon({
    config: {
      agents: { echo: node("echo.mjs"), other: node("echo.mjs"), lines: node("numbers.mjs", "3000") },
      limits: { ring_bytes: 20_000, max_sessions: 6 },
    },
  });
  await mkdir(join(daemon.dataDir, "logs"));
  await writeFile(join(daemon.dataDir, "logs", `${goSession}.ndjson`), goLog);
});
afterAll(async () => {
  await daemon?.stop();
});
afterEach(async () => {
  for (const { id } of (await daemon.get("/sessions")).body) await daemon.delete(`/sessions/${id}`);
});

async function create(more: Record<string, unknown> = {}): Promise<string> {
  const { body, status, text } = await daemon.post("/sessions", { agent: "echo", interactive: true, ...more });
  expect(status, text).toBe(201);
  return body.session_id;
}

async function ended(id: string): Promise<void> {
  await eventually(async () => ["completed", "failed"].includes((await daemon.get(`/sessions/${id}`)).body.status), {
    what: "the end",
  });
}

describe("ids and names", () => {
  test("a name is good wherever an id is, and free again after DELETE", async () => {
    const id = await create({ name: "my.first_one" });
    expect((await daemon.get("/sessions/my.first_one")).body).toMatchObject({ id, name: "my.first_one" });
    expect((await daemon.post("/sessions/my.first_one/prompt", { text: "x" })).body).toMatchObject({ session_id: id });
    expect((await daemon.get("/sessions/my.first_one/logs")).status).toBe(200);
    expect((await daemon.get("/sessions/my.first_one/log")).status).toBe(200);
    const client = await daemon.ws("my.first_one", 0);
    expect(await client.frame("connected")).toMatchObject({ session_id: id });
    await client.close();
    expect(await daemon.post("/sessions", { agent: "echo", interactive: true, name: "my.first_one" })).toMatchObject({
      status: 409,
      body: { error: "name_taken" },
    });
    expect((await daemon.delete("/sessions/my.first_one")).body).toEqual({ id, state: "failed" });
    await create({ name: "my.first_one" });
  });

  test("an id is given out once, also after DELETE, also as a name", async () => {
    const id = "abcdef00-0000-4000-8000-000000000001";
    await create({ session_id: `urn:uuid:${id}` });
    const again = { agent: "echo", interactive: true };
    expect(await daemon.post("/sessions", { ...again, session_id: id })).toMatchObject({
      status: 409,
      body: { error: "session_exists" },
    });
    expect(await daemon.post("/sessions", { ...again, name: id })).toMatchObject({
      status: 409,
      body: { error: "name_taken" },
    });
    await daemon.delete(`/sessions/${id}`);
    expect(await daemon.post("/sessions", { ...again, session_id: id })).toMatchObject({
      status: 409,
      body: { error: "session_exists" },
    });
    const named = "abcdef00-0000-4000-8000-00000000000a";
    await create({ name: named });
    expect(await daemon.post("/sessions", { ...again, session_id: named })).toMatchObject({ status: 409 });
  });

  test("ids that begin alike have nothing in common", async () => {
    const ids = ["1", "2", "3"].map((end) => `abcdef00-0000-4000-8000-10000000000${end}`);
    for (const id of ids) await create({ session_id: id });
    for (const id of ids) await daemon.post(`/sessions/${id}/prompt`, { text: `I am ${id}` });
    for (const id of ids) {
      const client = await daemon.ws(id, 0);
      expect((await client.event(({ type }) => type === "stdout")).data).toEqual({ text: `echo: I am ${id}` });
      await client.close();
    }
  });

  test("as many sessions as are allowed can be made at the same time, and no more", async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => daemon.post("/sessions", { agent: "echo", interactive: true })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 201, 201, 201, 503, 503]);
    expect((await daemon.get("/health")).body.sessions).toBe(6);
  });
});

describe("the list", () => {
  test("is oldest first, and filtered by state, agent and tags", async () => {
    const a = await create({ tags: { team: "x", "a.b": "1" } });
    const b = await create({ agent: "other", tags: { team: "x" } });
    const c = await create({ agent: "echo", interactive: false, prompt: "hi" });
    await ended(c);
    const ids = async (query = "") => (await daemon.get(`/sessions${query}`)).body.map(({ id }: { id: string }) => id);
    expect(await ids()).toEqual([a, b, c]);
    expect(await ids("?state=running")).toEqual([a, b]);
    expect(await ids("?state=completed")).toEqual([c]);
    expect(await ids("?agent=other")).toEqual([b]);
    expect(await ids("?tag.team=x&tag.a.b=1")).toEqual([a]);
    expect(await ids("?tag.team=")).toEqual([]);
    expect(await ids("?state=orphaned")).toEqual([]);
  });

  test("is paged by limit and after, each session once", async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.push(await create());
    const seen: string[] = [];
    let after: string | null = null;
    let pages = 0;
    do {
      const { body, headers } = await daemon.get(`/sessions?limit=2${after === null ? "" : `&after=${after}`}`);
      seen.push(...body.map(({ id }: { id: string }) => id));
      after = headers.get("agentruntime-next");
      pages++;
    } while (after !== null);
    expect({ seen, pages }).toEqual({ seen: made, pages: 3 });
  });
});

describe("Idempotency-Key", () => {
  const headers = { "idempotency-key": "k-1" };
  const body = { agent: "echo", interactive: true, tags: { n: "1" } };

  test("the same key and body make one session, also at the same time", async () => {
    const answers = await Promise.all([1, 2, 3].map(() => daemon.post("/sessions", body, { headers })));
    expect(new Set(answers.map(({ body }) => body.session_id)).size).toBe(1);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect((await daemon.get("/sessions")).body).toHaveLength(1);
    expect(await daemon.post("/sessions", { ...body, tags: { n: "2" } }, { headers })).toMatchObject({
      status: 409,
      body: { error: "idempotency_conflict" },
    });
  });

  test("a prompt with the same key is taken once", async () => {
    const id = await create();
    const ask = (text: string) => daemon.post(`/sessions/${id}/prompt`, { text }, { headers });
    const [first, second] = [await ask("a"), await ask("a")];
    expect(first.body).toEqual(second.body);
    expect(await ask("b")).toMatchObject({ status: 409, body: { error: "idempotency_conflict" } });
    await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.turn_count === 1);
  });

  test("a refusal is not kept, and a key too long is refused", async () => {
    const key = { headers: { "idempotency-key": "k-2" } };
    expect((await daemon.post("/sessions", { ...body, agent: "nobody" }, key)).status).toBe(400);
    expect((await daemon.post("/sessions", body, key)).status).toBe(201);
    expect(await daemon.post("/sessions", body, { headers: { "idempotency-key": "x".repeat(257) } })).toMatchObject({
      status: 400,
      body: { error: "invalid_request" },
    });
  });
});

describe("the log", () => {
  test("is the same by cursor, by limit, by range, as a file and on disk", async () => {
    const id = await create({ agent: "lines", interactive: false, prompt: "go" });
    await ended(id);
    const { body: view } = await daemon.get(`/sessions/${id}`);
    const whole = await readFile(view.log_file, "utf8");
    expect(view.log_bytes).toBe(Buffer.byteLength(whole));
    expect((await daemon.get(`/sessions/${id}/logs`)).text).toBe(whole);
    const file = await daemon.get(`/sessions/${id}/log`);
    expect([file.text === whole, file.headers.get("content-type")]).toEqual([true, "application/x-ndjson"]);
    for (const cursor of [1, 777, view.log_bytes - 3]) {
      const part = await daemon.get(`/sessions/${id}/logs?cursor=${cursor}`);
      expect(part.text).toBe(whole.slice(cursor));
      expect(part.headers.get("agentruntime-log-cursor")).toBe(String(view.log_bytes));
      expect(part.headers.get("agentruntime-log-start")).toBe("0");
    }
    const ranged = await daemon.get(`/sessions/${id}/log`, { headers: { range: "bytes=100-199" } });
    expect([ranged.status, ranged.text]).toEqual([206, whole.slice(100, 200)]);
    expect(
      (await daemon.get(`/sessions/${id}/log`, { headers: { range: `bytes=${view.log_bytes + 5}-` } })).status,
    ).toBe(416);
  });

  test("by limit it comes in whole lines, one at least, until the end", async () => {
    const id = await create({ agent: "lines", interactive: false, prompt: "go" });
    await ended(id);
    const whole = (await daemon.get(`/sessions/${id}/log`)).text;
    let text = "";
    for (const limit of [1, 50, 300, 5000, 100_000, 10_000_000]) {
      const { text: part, headers } = await daemon.get(`/sessions/${id}/logs?cursor=${text.length}&limit=${limit}`);
      expect(part.endsWith("\n")).toBe(true);
      expect(part.length <= limit || part.indexOf("\n") === part.length - 1).toBe(true);
      text += part;
      expect(headers.get("agentruntime-log-cursor")).toBe(String(text.length));
    }
    expect(text).toBe(whole);
    expect(await daemon.get(`/sessions/${id}/logs?cursor=${whole.length + 10}`)).toMatchObject({
      status: 200,
      text: "",
    });
  });

  test("by limit a line longer than a step of reading comes whole", async () => {
    const id = await create({ agent: "echo", interactive: false, prompt: "x".repeat(700_000) });
    await ended(id);
    const whole = (await daemon.get(`/sessions/${id}/log`)).text;
    const long = whole.split("\n").map((line) => line.length + 1);
    expect(Math.max(...long)).toBeGreaterThan(2 * 256 * 1024);
    let text = "";
    while (text.length < whole.length) {
      const { text: part } = await daemon.get(`/sessions/${id}/logs?cursor=${text.length}&limit=1000`);
      expect(part.endsWith("\n")).toBe(true);
      text += part;
    }
    expect(text).toBe(whole);
    expect((await daemon.get(`/sessions/${id}/logs?limit=${whole.length - 1}`)).text.endsWith("\n")).toBe(true);
  });

  test("a long poll answers when there is something, when the session ends, and when time is up", async () => {
    const id = await create();
    const none = await daemon.get(`/sessions/${id}/logs?cursor=0&wait=0.2`);
    expect([none.status, none.text]).toEqual([200, ""]);
    const [polled] = await Promise.all([
      daemon.get(`/sessions/${id}/logs?cursor=0&wait=30`),
      daemon.post(`/sessions/${id}/prompt`, { text: "hello" }),
    ]);
    expect(polled.text).toContain('"hello"');
    const last = async () => (await daemon.get(`/sessions/${id}`)).body.log_bytes;
    await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.turn_count === 1);
    const atEnd = daemon.get(`/sessions/${id}/logs?cursor=${(await last()) + 1_000_000}&wait=60`);
    await daemon.post(`/sessions/${id}/stop`);
    expect((await atEnd).text).toBe("");
    await ended(id);
  });

  test("stays after DELETE, and is listed in the history", async () => {
    const id = await create({ agent: "echo", interactive: false, prompt: "hi" });
    await ended(id);
    const { text } = await daemon.get(`/sessions/${id}/log`);
    await daemon.delete(`/sessions/${id}`);
    expect((await daemon.get(`/sessions/${id}`)).status).toBe(404);
    expect((await daemon.get(`/sessions/${id}/logs`)).status).toBe(404);
    expect((await daemon.get(`/sessions/${id}/log`)).text).toBe(text);
    const entry = (await daemon.get("/sessions/history?limit=1000")).body.find(
      (one: { session_id: string }) => one.session_id === id,
    );
    expect(entry).toMatchObject({ session_id: id, status: "completed", file_size: text.length });
  });

  test("of the Go daemon is served and listed", async () => {
    expect((await daemon.get(`/sessions/${goSession}/log`)).text).toBe(goLog);
    const { body } = await daemon.get("/sessions/history?limit=1000");
    expect(body.find((one: { session_id: string }) => one.session_id === goSession)).toEqual({
      session_id: goSession,
      log_file: join(daemon.dataDir, "logs", `${goSession}.ndjson`),
      file_size: goLog.length,
      status: "success",
      created_at: "2023-11-14T22:13:20.000Z",
      ended_at: "2023-11-14T22:13:20.000Z",
    });
  });

  test("history is newest end first and as long as asked", async () => {
    for (const prompt of ["a", "b"]) await ended(await create({ interactive: false, prompt }));
    const { body } = await daemon.get("/sessions/history");
    const ends = body.map(({ ended_at }: { ended_at?: string }) => ended_at ?? "");
    expect(ends).toEqual([...ends].sort().reverse());
    expect((await daemon.get("/sessions/history?limit=1")).body).toEqual(body.slice(0, 1));
    for (const limit of ["0", "-1", "x", "", "1e300"])
      expect((await daemon.get(`/sessions/history?limit=${limit}`)).body).toEqual(body);
  });
});

describe("the end of a session", () => {
  test("is told by status, reason and code", async () => {
    const good = await create({ interactive: false, prompt: "hi" });
    const bad = await create({ interactive: false, prompt: "exit 3" });
    const stopped = await create();
    expect((await daemon.post(`/sessions/${stopped}/stop`)).status).toBe(202);
    await Promise.all([good, bad, stopped].map(ended));
    const views = await Promise.all([good, bad, stopped].map(async (id) => (await daemon.get(`/sessions/${id}`)).body));
    expect(views.map(({ status, end_reason }) => [status, end_reason])).toEqual([
      ["completed", "finished"],
      ["failed", "agent_failed"],
      ["failed", "stopped"],
    ]);
    expect(views[1]).toMatchObject({ exit_code: 3 });
    expect(await daemon.post(`/sessions/${good}/prompt`, { text: "more" })).toMatchObject({
      status: 409,
      body: { error: "session_ended" },
    });
  });

  test("drain lets what is queued end first", async () => {
    const id = await create();
    for (const text of ["lines 2000", "b", "c"]) await daemon.post(`/sessions/${id}/prompt`, { text });
    await daemon.post(`/sessions/${id}/stop`, { mode: "drain" });
    expect(await daemon.post(`/sessions/${id}/prompt`, { text: "late" })).toMatchObject({
      status: 409,
      body: { error: "session_ended" },
    });
    await ended(id);
    expect((await daemon.get(`/sessions/${id}`)).body).toMatchObject({
      status: "completed",
      turn_count: 3,
      exit_code: 0,
    });
  });
});
