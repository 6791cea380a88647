/** Messages to a chat over which a daemon dies: each that was accepted is run, and none twice. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import Database from "libsql";
import { afterEach, describe, expect, it } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";

let counts: CountsDaemon;
afterEach(() => counts.stop());

const quick = "words=1 pause=0";
const dieAt = new URL("../fixtures/programs/die-at.mjs", import.meta.url).href;

/** Changes the store as a daemon would have left it that died: between two daemons. */
function inStore(sql: string): void {
  const db = new Database(join(counts.daemon.dataDir, "state.db"));
  db.exec(sql);
  db.close();
}

const send = (message: string, key?: string) =>
  counts.daemon.post(
    "/chats/c/messages",
    { message },
    key === undefined ? {} : { headers: { "idempotency-key": key } },
  );

const chat = async () => (await counts.daemon.get("/chats/c")).body;

const idle = () =>
  eventually(
    async () => {
      const view = await chat();
      return view.state === "idle" && view;
    },
    { deadlineMs: 30_000, what: "the chat to be idle" },
  );

/** How often an agent was given this, in whatever session. */
function timesGiven(text: string): number {
  const journals = readdirSync(counts.journalDir).map((name) => readFileSync(join(counts.journalDir, name), "utf8"));
  const lines = journals.flatMap((journal) => journal.split("\n").filter((line) => line !== ""));
  return lines.filter((line) => JSON.parse(line).got === text).length;
}

async function begin(): Promise<void> {
  counts = await startCountsDaemon();
  expect((await counts.daemon.post("/chats", { name: "c", config: { agent: "counts" } })).status).toBe(201);
}

describe("a daemon that dies", () => {
  it("between a message's acceptance and its session leaves it to the next, which begins it once", async () => {
    await begin();
    await counts.daemon.kill9();
    const id = "11111111-2222-4333-8444-555555555555";
    inStore(
      `insert into chat_steps (chat, position, session_id, kind, standing, text, sent_at) values ('c', 0, '${id}', 'message', 'waiting', '${quick} accepted', 1)`,
    );
    await counts.restart();
    const { session_chain } = await idle();
    expect(session_chain).toEqual([id]);
    expect(timesGiven(`${quick} accepted`)).toBe(1);
  });

  it("with a message that waits: the next one begins it when there is room for a session", async () => {
    await begin();
    const other = await counts.create();
    await counts.daemon.kill9();
    const id = "11111111-2222-4333-8444-555555555556";
    inStore(
      `insert into chat_steps (chat, position, session_id, kind, standing, text, sent_at) values ('c', 0, '${id}', 'message', 'waiting', '${quick} patient', 1)`,
    );
    await counts.restart(["--max-sessions", "1"]);
    expect(await chat()).toMatchObject({ state: "running", session_chain: [], next_session: id });
    expect((await send(`${quick} another`)).status).toBe(429);
    await counts.daemon.delete(`/sessions/${other}`);
    expect((await idle()).session_chain).toEqual([id]);
    expect(timesGiven(`${quick} patient`)).toBe(1);
  });

  it("with a message that waits, which a deletion that fails leaves waiting for its time", async () => {
    await begin();
    for (const word of ["one", "two"]) {
      await send(`${quick} ${word}`);
      await idle();
    }
    const other = await counts.create();
    await counts.daemon.kill9();
    const id = "11111111-2222-4333-8444-555555555557";
    inStore(
      `insert into chat_steps (chat, position, session_id, kind, standing, text, sent_at) values ('c', 2, '${id}', 'message', 'waiting', '${quick} spared', 1)`,
    );
    await counts.restart(["--max-sessions", "1"]);
    const [first] = (await chat()).session_chain;
    // What cannot be removed as a file.
    const record = join(counts.dirOf(first), "session.json");
    rmSync(record);
    mkdirSync(record);
    expect((await counts.daemon.delete("/chats/c?remove_volume=true")).status).toBeGreaterThanOrEqual(400);
    expect((await chat()).next_session).toBe(id);
    await counts.daemon.delete(`/sessions/${other}`);
    expect((await idle()).session_chain.at(-1)).toBe(id);
    expect(timesGiven(`${quick} spared`)).toBe(1);
  });

  it("before it could write that a session was begun, does not make the next begin it again", async () => {
    await begin();
    const { body } = await send(`${quick} begun`);
    await idle();
    await counts.daemon.kill9();
    inStore(`update chat_steps set standing = 'waiting', text = '${quick} begun' where chat = 'c'`);
    await counts.restart();
    expect((await idle()).session_chain).toEqual([body.session_id]);
    expect(timesGiven(`${quick} begun`)).toBe(1);
  });

  it.each([
    { at: "sidecar.json", when: "before", what: "when a sidecar was started and is not found again", sessions: 2 },
    { at: "sidecar.json", when: "after", what: "when a sidecar was started and not told what for", sessions: 2 },
    { at: "session.json", when: "before", what: "when the sidecar has answered", sessions: 1 },
    { at: "session.json", when: "after", what: "when it is written that it has", sessions: 1 },
  ])("$what ($at, $when) leaves the message to the next one, and an agent is given it once", async (point) => {
    await begin();
    await counts.daemon.kill9();
    // Each sidecar is started when it is needed, so that one is on its way when the daemon dies.
    const file = join(counts.daemon.dataDir, "config-of-test.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...config, limits: { ready_sidecars: 0 } }));
    await counts.restart([], {
      nodeArgs: ["--import", dieAt],
      env: { DIE_AT: point.at, DIE_WHEN: point.when, ...(point.at === "session.json" ? { DIE_IF: "was_met" } : {}) },
    });
    const dying = counts.daemon;
    await expect(send(`${quick} cut short`, "k")).rejects.toThrow();
    await dying.kill9();
    await counts.restart();
    // Whoever asks again under its key is told of the session that runs it, not of one that never did.
    const { body: told } = await send(`${quick} cut short`, "k");
    const { session_chain } = await idle();
    expect(told.next_session ?? told.session_id).toBe(session_chain.at(-1));
    expect(session_chain.length).toBe(point.sessions);
    expect(timesGiven(`${quick} cut short`)).toBe(1);
    expect(existsSync(join(counts.journalDir, `${session_chain.at(-1)}.ndjson`))).toBe(true);
    const ends = counts.events(session_chain.at(-1)).filter(({ type }) => type === "result");
    expect(ends).toMatchObject([{ data: { status: "success" } }]);
    const asked = await send(`${quick} cut short`, "k");
    expect([asked.status, timesGiven(`${quick} cut short`)]).toEqual([202, 1]);
  });

  it("while one message is answered and another waits, changes nothing for either", async () => {
    await begin();
    const first = await send("words=60 pause=50 first");
    const second = await send(`${quick} second`);
    await counts.until(first.body.session_id, (events) => events.some(({ type }) => type === "agent_message"));
    await counts.daemon.kill9();
    await counts.restart();
    expect(await chat()).toMatchObject({ state: "running", current_session: first.body.session_id });
    expect((await send(`${quick} third`)).status).toBe(429);
    const view = await idle();
    expect(view.session_chain).toEqual([first.body.session_id, second.body.next_session]);
    expect([timesGiven("words=60 pause=50 first"), timesGiven(`${quick} second`)]).toEqual([1, 1]);
    expect(counts.events(first.body.session_id).find(({ type }) => type === "result")?.data["status"]).toBe("success");
  });

  it("at any moment of a message is asked again under its key, and the agent was given it once", async () => {
    await begin();
    for (let round = 0; round < 6; round++) {
      const text = `${quick} round ${round}`;
      const lost = send(text, `k${round}`).catch(() => undefined);
      // At which moment it dies is what is tried: no state is waited for.
      await delay(round * 12);
      await counts.daemon.kill9();
      await lost;
      await counts.restart();
      const answer = await send(text, `k${round}`);
      expect([round, answer.status]).toEqual([round, 202]);
      await idle();
      expect([round, timesGiven(text)]).toEqual([round, 1]);
      expect((await send(text, `k${round}`)).body).toEqual(answer.body);
      expect((await send("other", `k${round}`)).body.error).toBe("idempotency_conflict");
    }
    expect((await chat()).session_chain.length).toBeGreaterThanOrEqual(6);
  });

  it("leaves an attached session to the next one, which ends it when nobody talks in it", async () => {
    counts = await startCountsDaemon();
    await counts.daemon.post("/chats", { name: "c", config: { agent: "counts", idle_timeout: "1s" } });
    const { session_id } = (await counts.daemon.post("/chats/c/attach")).body;
    await counts.daemon.kill9();
    await counts.restart();
    expect((await idle()).session_chain).toEqual([session_id]);
    expect((await counts.daemon.get(`/sessions/${session_id}`)).body.status).toBe("completed");
  });
});
