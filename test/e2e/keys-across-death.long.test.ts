/** Requests with an Idempotency-Key over which a daemon dies or leaves, sent again to the next one. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import Database from "libsql";
import { afterEach, describe, expect, it } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";

let counts: CountsDaemon;
let door: HeldDoor | undefined;
afterEach(async () => {
  await counts.stop();
  door?.close();
  door = undefined;
});

const key = (text: string) => ({ headers: { "idempotency-key": text } });
const keep = ["--on-shutdown", "keep"];

/** Changes the store as a daemon would have left it that died: between two daemons. */
function inStore(sql: string): void {
  const db = new Database(join(counts.daemon.dataDir, "state.db"));
  db.exec(sql);
  db.close();
}

const forgetAnswers = () => inStore("update answers set status = null, body = null");

/** A session in the midst of a long turn. */
async function busySession(): Promise<string> {
  const id = await counts.create({ prompt: "words=2000 pause=50" });
  await counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));
  return id;
}

interface HeldDoor {
  /** Nothing more comes out of the sidecar until `open`. */
  hold(): void;
  open(): void;
  close(): void;
}

/** A door before the socket of the only sidecar, for the next daemon. */
async function doorBefore(): Promise<HeldDoor> {
  const run = join(counts.daemon.dataDir, "run");
  const [folder = ""] = readdirSync(run);
  const [inner, outer] = [join(run, folder, "r"), join(run, folder, "s")];
  renameSync(outer, inner);
  let isHeld = false;
  const held: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((caller) => {
    const sidecar = connect(inner);
    caller.pipe(sidecar);
    sidecar.on("data", (chunk) => {
      const pass = () => caller.writable && caller.write(chunk);
      if (isHeld) held.push(pass);
      else pass();
    });
    for (const [one, other] of [
      [caller, sidecar],
      [sidecar, caller],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.end();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(outer, resolve));
  return {
    hold: () => {
      isHeld = true;
    },
    open: () => {
      isHeld = false;
      for (const pass of held.splice(0)) pass();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** How often the agent itself was given this. */
function timesGiven(id: string, text: string): number {
  const journal = readFileSync(join(counts.journalDir, `${id}.ndjson`), "utf8");
  return journal.split("\n").filter((line) => line !== "" && JSON.parse(line).got === text).length;
}

describe("a session with a key", () => {
  it("whose daemon died before its prompt was in the log is begun anew, under the same id", async () => {
    counts = await startCountsDaemon();
    for (const [id, headers] of [
      ["11111111-2222-4333-8444-555555555551", {}],
      ["11111111-2222-4333-8444-555555555552", { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` }],
    ] as const) {
      const body = { agent: "counts", session_id: id, prompt: "words=2" };
      const create = () =>
        counts.daemon.post("/sessions", body, { headers: { ...key(`of ${id}`).headers, ...headers } });
      const first = await create();
      const before = await counts.until(id);
      await eventually(() => JSON.parse(readFileSync(join(counts.dirOf(id), "session.json"), "utf8")).ended);
      await counts.daemon.kill9();
      // As it was on disk when the record was just written: nothing yet of the prompt, and no sidecar.
      const folder = counts.dirOf(id);
      for (const name of readdirSync(folder))
        if (!["session.json", "events.ndjson", "home", "work"].includes(name))
          rmSync(join(folder, name), { recursive: true });
      const { ended: _, totals: __, ...record } = JSON.parse(readFileSync(join(folder, "session.json"), "utf8"));
      writeFileSync(join(folder, "session.json"), JSON.stringify(record));
      const isTraced = before[0]?.type === "system" && before[0].data["subtype"] === "trace";
      writeFileSync(join(folder, "events.ndjson"), isTraced ? `${JSON.stringify(before[0])}\n{"type":"user_mess` : "");
      inStore(`delete from sessions where id = '${id}'`);
      forgetAnswers();
      await counts.restart();
      const second = await create();
      expect([second.status, second.body.turn_id]).toEqual([201, "t1"]);
      expect([second.body.session_id, first.body.session_id]).toEqual([id, id]);
      const events = await counts.until(id);
      expect(events.filter(({ type }) => type === "user_message")).toMatchObject([{ data: { turn_id: "t1" } }]);
      expect(events.at(-1)).toMatchObject({ type: "exit" });
      expect(timesGiven(id, "words=2")).toBe(2);
    }
  });

  it("is found by its key: whatever the clock said, and however its id was written; another's key finds another", async () => {
    counts = await startCountsDaemon();
    const daemonsId = { agent: "counts", prompt: "words=1" };
    const own = "AAAAAAAA-2222-4333-8444-55555555555b";
    const callersId = { agent: "counts", prompt: "words=1", session_id: `urn:uuid:{${own.replaceAll("-", "")}}` };
    const first = await counts.daemon.post("/sessions", daemonsId, key("a"));
    const second = await counts.daemon.post("/sessions", callersId, key("b"));
    expect(second.body.session_id).toBe(own);
    await Promise.all([counts.until(first.body.session_id), counts.until(own)]);
    await counts.daemon.kill9();
    // The clock was set back after the claims; and somebody else's claim is older than the session of that id.
    inStore("update answers set status = null, body = null, claimed_at = claimed_at + 60000");
    inStore("insert into answers select scope, 'c', body_hash, intent, 1, null, null from answers where key = 'b'");
    await counts.restart();
    const again = [
      await counts.daemon.post("/sessions", daemonsId, key("a")),
      await counts.daemon.post("/sessions", callersId, key("b")),
      await counts.daemon.post("/sessions", callersId, key("c")),
    ];
    expect(again.map(({ status, body }) => [status, body.session_id ?? body.error])).toEqual([
      [201, first.body.session_id],
      [201, own],
      [409, "session_exists"],
    ]);
    expect(readdirSync(join(counts.daemon.dataDir, "sessions"))).toHaveLength(2);
  });
});

describe("a prompt with a key", () => {
  it("is told from another of the same text: the one that came about is found, the other done now", async () => {
    counts = await startCountsDaemon();
    const id = await busySession();
    const say = (name: string) => counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=2" }, key(name));
    const first = await say("a");
    expect(first).toMatchObject({ status: 202, body: { turn_id: "t2", position: 1 } });
    await counts.daemon.kill9();
    forgetAnswers();
    inStore("insert into answers select scope, 'b', body_hash, intent, claimed_at, null, null from answers");
    await counts.restart();
    expect(await say("b")).toMatchObject({ status: 202, body: { turn_id: "t3" } });
    expect(await say("a")).toMatchObject({ status: 202, body: { turn_id: "t2" } });
    expect(await say("b")).toMatchObject({ status: 202, body: { turn_id: "t3" } });
    const prompts = counts.events(id).filter(({ type, data }) => type === "user_message" && data["text"] === "words=2");
    expect(prompts.map(({ data }) => data["turn_id"])).toEqual(["t2", "t3"]);
    await counts.daemon.delete(`/sessions/${id}`);
  });
});

describe("a steer with a key", () => {
  it("is told from another of the same text by what its sidecar wrote, and stays unknown where there is nothing", async () => {
    counts = await startCountsDaemon();
    const id = await busySession();
    const steer = (name: string) => counts.daemon.post(`/sessions/${id}/steer`, { text: "turn left" }, key(name));
    expect(await steer("a")).toMatchObject({ status: 202, body: { turn_id: "t1" } });
    await counts.daemon.kill9();
    forgetAnswers();
    inStore("insert into answers select scope, 'b', body_hash, intent, claimed_at, null, null from answers");
    await counts.restart();
    expect(await steer("a")).toMatchObject({ status: 202, body: { turn_id: "t1" } });
    expect(await steer("b")).toMatchObject({ status: 409, body: { error: "outcome_unknown" } });
    expect(await steer("b")).toMatchObject({ status: 409, body: { error: "outcome_unknown" } });
    expect(await steer("c")).toMatchObject({ status: 202, body: { turn_id: "t1" } });
    await eventually(() => timesGiven(id, "turn left") === 2);
    await counts.daemon.delete(`/sessions/${id}`);
  });

  it("that a leaving daemon cannot answer for is found by the next one, and the agent has it once", async () => {
    counts = await startCountsDaemon();
    const id = await busySession();
    await counts.daemon.kill9();
    door = await doorBefore();
    await counts.restart(keep);
    const seen = counts.events(id).length;
    await counts.until(id, (events) => events.length > seen);
    const steer = () => counts.daemon.post(`/sessions/${id}/steer`, { text: "turn left" }, key("s"));
    door.hold();
    const first = steer().catch(() => undefined);
    await eventually(() => timesGiven(id, "turn left") === 1);
    await counts.daemon.leave();
    expect((await first)?.status).not.toBe(202);
    await counts.restart();
    // What the sidecar wrote of it is not here yet; it is waited for.
    const again = steer();
    await counts.daemon.get(`/sessions/${id}`);
    door.open();
    expect(await again).toMatchObject({ status: 202, body: { turn_id: "t1" } });
    expect(timesGiven(id, "turn left")).toBe(1);
    await counts.daemon.delete(`/sessions/${id}`);
  });
});

describe("what is sent when a daemon goes", () => {
  it.each([
    ["dies", "kill9"],
    ["leaves", "leave"],
  ] as const)("comes about once when it %s and the next one is asked again", async (_, go) => {
    counts = await startCountsDaemon();
    await counts.daemon.kill9();
    await counts.restart(keep);
    const id = await busySession();
    const answers: { name: string; round: number; status: number; turn: string }[] = [];
    for (const round of [1, 2, 3]) {
      const sendAll = () =>
        [
          ["create", "/sessions", { agent: "counts", prompt: "words=1", tags: { round: String(round) } }],
          ["prompt", `/sessions/${id}/prompt`, { text: `words=1 n=${round}` }],
          ["steer", `/sessions/${id}/steer`, { text: `turn left ${round}` }],
        ].map(async ([name, path, body]) => {
          const { status, body: said } = await counts.daemon.post(String(path), body, key(`${name} ${round}`));
          return { name: String(name), round, status, turn: String(said.turn_id ?? said.error) };
        });
      const cut = sendAll().map((sent) => sent.catch(() => undefined));
      // Some are done, some are on their way.
      await Promise.race(cut);
      await counts.daemon[go]();
      await Promise.all(cut);
      await counts.restart(keep);
      answers.push(...(await Promise.all(sendAll())));
      const { body: made } = await counts.daemon.get(`/sessions?tag.round=${round}`);
      expect(made).toHaveLength(1);
    }
    const texts = counts
      .events(id)
      .filter(({ type }) => type === "user_message")
      .map(({ data }) => data["text"]);
    for (const round of [1, 2, 3]) {
      expect(texts.filter((text) => text === `words=1 n=${round}`)).toHaveLength(1);
      expect(timesGiven(id, `turn left ${round}`)).toBeLessThanOrEqual(1);
    }
    for (const { name, round, status } of answers)
      if (name === "steer" && status === 202) await eventually(() => timesGiven(id, `turn left ${round}`) === 1);
    const refused = answers.filter(({ status }) => status >= 300);
    expect(refused.filter(({ name, turn }) => name !== "steer" || turn !== "outcome_unknown")).toEqual([]);
    await counts.daemon.delete(`/sessions/${id}`);
    await counts.daemon.stop();
    await counts.restart();
  });
});
