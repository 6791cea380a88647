import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChatRow, ChatStep, SessionRow, Store } from "../../../src/store/store.ts";
import { closeDatabases, databases, type TestedDatabase } from "./databases.ts";

const chat: ChatRow = {
  name: "a",
  config: { agent: "claude", env: { "odd key": 'it\'s "quoted"' } },
  folder: "a-1",
  created_at: 1_700_000_000_123,
  updated_at: 1_700_000_000_456,
  last_active_at: null,
  request: "digest",
};
const step: ChatStep = {
  chat: "a",
  position: 0,
  session_id: "s0",
  kind: "message",
  standing: "waiting",
  text: "hello",
  fault: null,
  conversation: null,
  sent_at: 1_800_000_000_000,
  sent_by: "ci",
};

afterAll(closeDatabases);

describe.each(Object.entries(databases))("chats in %s", (_name, make) => {
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

  it("are given back as they were put, in the order of their creation, and there is one of a name", async () => {
    expect(await store.chats.create({ ...chat, name: "b", created_at: 1 })).toBe(true);
    expect(await store.chats.create(chat)).toBe(true);
    expect(await store.chats.create({ ...chat, config: {} })).toBe(false);
    expect(await store.chats.find("a")).toEqual(chat);
    expect(await store.chats.find("none")).toBeUndefined();
    expect(await store.chats.count()).toBe(2);
    await store.close();
    store = await database.open();
    expect((await store.chats.summaries()).map(({ row }) => row.name)).toEqual(["b", "a"]);
    await store.chats.change("a", { config: { agent: "x" }, updated_at: 5 });
    expect(await store.chats.find("a")).toEqual({ ...chat, config: { agent: "x" }, updated_at: 5 });
  });

  it("have steps in order, which wait, are begun and lose their text, fail and keep it, or are taken back", async () => {
    await store.chats.create(chat);
    await store.chats.create({ ...chat, name: "b" });
    await store.chats.add(step);
    await store.chats.add({ ...step, position: 1, session_id: "s1" });
    await store.chats.add({ ...step, chat: "b", session_id: "s2", kind: "attach", text: null });
    expect((await store.chats.find("a"))?.last_active_at).toBe(step.sent_at);
    await store.chats.begun(step);
    const fault = { code: "max_sessions", message: "no room" };
    await store.chats.failed({ chat: "a", position: 1 }, fault);
    expect(await store.chats.steps("a")).toEqual([
      { ...step, standing: "begun", text: null },
      { ...step, position: 1, session_id: "s1", standing: "failed", fault },
    ]);
    expect((await store.chats.waiting()).map(({ session_id }) => session_id)).toEqual(["s2"]);
    expect(await store.chats.stepOf("s2")).toMatchObject({ chat: "b", kind: "attach", text: null });
    const [a, b] = await store.chats.summaries();
    expect([a, b]).toMatchObject([
      { begun: 1, waiting: 0 },
      { begun: 0, waiting: 1 },
    ]);
    await store.chats.drop({ chat: "b", position: 0 });
    expect(await store.chats.steps("b")).toEqual([]);
    await store.chats.remove("a");
    expect([await store.chats.find("a"), await store.chats.stepOf("s0")]).toEqual([undefined, undefined]);
  });

  it("may begin with what was said elsewhere, which is no session", async () => {
    const first: ChatStep = { ...step, kind: "imported", standing: "begun", text: null, conversation: "c9" };
    expect(await store.chats.create(chat, first)).toBe(true);
    expect(await store.chats.create(chat, { ...first, session_id: "other" })).toBe(false);
    expect(await store.chats.steps("a")).toEqual([first]);
    expect(await store.chats.summaries()).toMatchObject([{ begun: 0, waiting: 0 }]);
  });

  it("take no second step for a place or a session", async () => {
    await store.chats.create(chat);
    await store.chats.add(step);
    await expect(store.chats.add({ ...step, session_id: "other" })).rejects.toThrow();
    await expect(store.chats.add({ ...step, position: 1 })).rejects.toThrow();
    expect(await store.chats.steps("a")).toEqual([step]);
  });

  it("send a message again in another session: both steps change, or neither", async () => {
    await store.chats.create(chat);
    await store.chats.add(step);
    await store.chats.again(step, "s1");
    const again = { ...step, position: 1, session_id: "s1" };
    expect(await store.chats.steps("a")).toEqual([{ ...step, standing: "begun", text: null }, again]);
    await expect(store.chats.again(again, "s0")).rejects.toThrow();
    expect((await store.chats.steps("a")).at(-1)).toEqual(again);
  });

  it("know the conversations of their sessions, and which goes on", async () => {
    await store.chats.create(chat);
    for (const position of [0, 1, 2]) {
      await store.chats.add({ ...step, position, session_id: `s${position}` });
      await store.sessions.put({
        ...session,
        id: `s${position}`,
        agent_session_id: position < 2 ? `c${position}` : null,
      });
    }
    expect(await store.chats.conversations("a")).toEqual({ s0: "c0", s1: "c1" });
    expect(await store.chats.resumable()).toEqual(["s1"]);
    await store.sessions.setStanding("s1", "removed");
    expect(await store.chats.resumable()).toEqual(["s0"]);
  });

  it("are forgotten with the tokens when the store is claimed for another data dir", async () => {
    await store.chats.create(chat);
    await store.chats.add(step);
    await store.claim("first", { keepsOwned: true });
    expect(await store.chats.steps("a")).toEqual([step]);
    await store.claim("second", { keepsOwned: false });
    expect([await store.chats.summaries(), await store.chats.waiting()]).toEqual([[], []]);
  });
});

const session: SessionRow = {
  id: "",
  standing: "ended",
  name: null,
  task_id: null,
  agent: "claude",
  runtime: "local",
  status: "completed",
  interactive: false,
  work_dir: "/w",
  agent_home: "private",
  home_of: "s0",
  permission_mode: "autonomous",
  model: null,
  agent_session_id: null,
  tags: {},
  created_at: 1,
  ended_at: 2,
  last_activity: 2,
  end_reason: "finished",
  exit_code: 0,
  log_bytes: 0,
  last_seq: 0,
  turns: 0,
  tool_calls: 0,
  input_tokens: 0,
  output_tokens: 0,
  cost_usd: null,
};
