/** A log as a conversation: what becomes of each event, and that nothing of it grows but the table. */
import { describe, expect, test } from "vitest";
import { parseLogLine } from "../../../src/protocol/line.ts";
import { Conversation } from "../../../src/web/session/conversation.ts";

const usage = { input_tokens: 5, output_tokens: 2, cache_read_input_tokens: 1, cache_creation_input_tokens: 0 };

/** Each event takes ten bytes of the log. */
function told(...events: { type: string; data: object }[]): Conversation {
  const conversation = new Conversation();
  for (const [at, event] of events.entries()) {
    const line = parseLogLine(JSON.stringify({ ...event, timestamp: 1000 + at, sidecar_seq: at + 1, seq: at + 1 }));
    conversation.take(line, { start: at * 10, end: at * 10 + 10 });
  }
  return conversation;
}

const kinds = (conversation: Conversation) =>
  Array.from({ length: conversation.items.count }, (_, index) => conversation.items.kindAt(index));
const piece = (text: string) => ({ type: "agent_message", data: { turn_id: "t1", item_id: "m", text, delta: true } });
const whole = (text: string, more = {}) => ({
  type: "agent_message",
  data: { turn_id: "t1", item_id: "m", text, delta: false, ...more },
});
const call = { type: "tool_use", data: { turn_id: "t1", id: "c", name: "Bash", kind: "execute", input: {} } };
const came = {
  type: "tool_result",
  data: { turn_id: "t1", id: "c", name: "Bash", output: "x", is_error: true, duration_ms: 1 },
};
const asked = {
  type: "input_required",
  data: { request_id: "q", turn_id: "t1", kind: "permission", message: "may I", options: [] },
};

test("pieces of a message are one item with its text so far, which the whole of it replaces", () => {
  const open = told(piece("Hel"), piece("lo"));
  expect([kinds(open), open.openText(0)]).toEqual([["agent"], "Hello"]);
  const closed = told(piece("Hel"), piece("lo"), whole("Hello!"));
  expect([kinds(closed), closed.openText(0)]).toEqual([["agent"], undefined]);
  expect(closed.items.at(0)).toMatchObject({ span: { start: 20, end: 30 }, hasFailed: false });
  expect(told(piece("Hel"), whole("Hel", { superseded: true })).items.at(0).hasFailed).toBe(true);
});

test("a call and its result are one item with two places in the log", () => {
  const conversation = told(call, whole("meanwhile"), came);
  expect(kinds(conversation)).toEqual(["tool", "agent"]);
  expect(conversation.items.at(0)).toMatchObject({
    span: { start: 0, end: 10 },
    second: { start: 20, end: 30 },
    hasFailed: true,
  });
  expect(conversation.lines.get(0)?.map(({ type }) => type)).toEqual(["tool_use", "tool_result"]);
});

test("a question is open until it is answered, whoever does", () => {
  expect([...told(asked).inputs.keys()]).toEqual(["q"]);
  const answered = told(asked, { type: "input_resolved", data: { request_id: "q", decision: "deny", by: "client" } });
  expect([answered.inputs.size, kinds(answered)]).toEqual([0, ["input"]]);
});

test("turns have their figures, those that waited too, and one that the agent began", () => {
  const result = (turn_id: string) => ({
    type: "result",
    data: { turn_id, session_id: "s", status: "success", cost_usd: 0.5, duration_ms: 1, num_turns: 1, usage },
  });
  const prompt = { type: "user_message", data: { turn_id: "t1", kind: "prompt", text: "do it" } };
  expect(told(prompt, call, result("t1"), result("t1.1")).turns).toMatchObject([
    { id: "t1", title: "do it", startedAt: 1001, endedAt: 1002, status: "success", costUsd: 0.5, toolCount: 1, usage },
    { id: "t1.1", title: "begun by the agent", status: "success" },
  ]);
});

test("lines of a plain command stand together, fifty to an item", () => {
  const out = (type: string) => ({ type, data: { text: "x" } });
  const conversation = told(...Array.from({ length: 120 }, () => out("stdout")), out("stderr"), out("stdout"));
  expect(kinds(conversation)).toEqual(["output", "output", "output", "output", "output"]);
  expect(conversation.items.at(0).span).toEqual({ start: 0, end: 500 });
  expect(conversation.items.at(2).span).toEqual({ start: 1000, end: 1200 });
});

describe("what an agent never ends", () => {
  test("is forgotten, the oldest first", () => {
    const calls = Array.from({ length: 1500 }, (_, at) => ({ ...call, data: { ...call.data, id: `c${at}` } }));
    const late = (id: string) => ({ ...came, data: { ...came.data, id } });
    const conversation = told(...calls, late("c0"), late("c1499"));
    // The first call is no longer known: its result stands by itself.
    expect(conversation.items.count).toBe(1501);
    expect(conversation.items.at(1499).second).toEqual({ start: 15_010, end: 15_020 });
  });
});

test("an item is found by a place in the log, a call also by its result", () => {
  const { items } = told(call, whole("one"), came, asked);
  expect([0, 10, 15, 20, 30, 99].map((offset) => items.indexHolding(offset))).toEqual([0, 1, 1, 0, 2, 2]);
});
