/** Questions in a chat: agents name them anew in each session, and only the one that runs waits for an answer. */
import { expect, test } from "vitest";
import { InputRequired } from "../../../src/protocol/event.ts";
import { type LogLine, parseLogLine } from "../../../src/protocol/line.ts";
import { type Asking, keepAsked, openInChat } from "../../../src/web/chats/chat-questions.ts";
import { askedBy, named } from "../../../src/web/chats/session-names.ts";
import { Conversation } from "../../../src/web/session/conversation.ts";

const asked = (message: string) => ({
  request_id: "permission-1",
  turn_id: "t1",
  kind: "permission",
  message,
  options: [],
});
const resolved = { request_id: "permission-1", decision: "deny", by: "client" };
const line = (type: string, data: object): LogLine =>
  parseLogLine(JSON.stringify({ type, data, timestamp: 1, sidecar_seq: 1, seq: 1 }));
const session = (session_id: string, ...messages: string[]): Asking => ({
  session_id,
  inputs: messages.map((message) => InputRequired.parse(asked(message))),
});

function chat(...told: [sessionId: string, line: LogLine][]): Conversation {
  const conversation = new Conversation();
  for (const [at, [id, { ...event }]] of told.entries())
    conversation.take(named(event, id), { start: at * 10, end: at * 10 + 10 });
  return conversation;
}
const words = (conversation: Conversation, asking: Asking | undefined) =>
  openInChat(conversation, asking).map(({ message, request_id }) => [message, askedBy(request_id)]);

test("what one session asked and got answered hides nothing that the next asks by the same name", () => {
  const conversation = chat(["one", line("input_required", asked("first"))], ["one", line("input_resolved", resolved)]);
  const second = ["second", { sessionId: "two", requestId: "permission-1" }];
  expect(words(conversation, session("two", "second"))).toEqual([second]);
  conversation.take(named(line("input_required", asked("second")), "two"), { start: 20, end: 30 });
  expect(words(conversation, session("two", "second"))).toEqual([second]);
  expect(conversation.items.count).toBe(2);
});

test("what a session that is gone has asked is asked no more, and is no question of the next", () => {
  const conversation = chat(["one", line("input_required", asked("first"))]);
  expect(words(conversation, session("one", "first"))).toHaveLength(1);
  expect(words(conversation, session("two"))).toEqual([]);
  expect(words(conversation, undefined)).toEqual([]);
});

test("one that was answered while nobody listened is forgotten, one that still waits is not", () => {
  const conversation = chat(["one", line("input_required", asked("first"))]);
  keepAsked(conversation, session("one", "first"));
  expect(words(conversation, session("one"))).toHaveLength(1);
  keepAsked(conversation, session("one"));
  expect(words(conversation, session("one"))).toEqual([]);
});
