import { expect, test } from "vitest";
import { readRaw as acpRaw } from "../../../sidecar/acp/raw.ts";
import { MessageText as ClaudeText } from "../../../sidecar/claude/message-text.ts";
import { readRaw as claudeRaw } from "../../../sidecar/claude/raw.ts";
import { readDelta as claudeDelta } from "../../../sidecar/claude/text-delta.ts";
import { MessageText as CodexText } from "../../../sidecar/codex/message-text.ts";
import { readRaw as codexRaw } from "../../../sidecar/codex/raw.ts";
import { readRaw as opencodeRaw } from "../../../sidecar/opencode/raw.ts";
import { RequestLine } from "../../../sidecar/opencode/request-line.ts";
import { TextParts } from "../../../sidecar/opencode/text-parts.ts";
import { OwedMessages } from "../../../sidecar/owed-messages.ts";
import { ToolCalls } from "../../../sidecar/tool-calls.ts";
import { noUsage } from "../../../src/protocol/event.ts";

const tool = { name: "Bash", kind: "execute" } as const;
const result = (turn_id: string) => ({
  event: {
    type: "result" as const,
    data: {
      turn_id,
      session_id: "s",
      status: "success" as const,
      cost_usd: null,
      duration_ms: 0,
      num_turns: 1,
      usage: noUsage,
    },
  },
});

test("of 5,000 calls that an agent leaves open 1,000 are followed; each of the others gets its one end", () => {
  const calls = new ToolCalls();
  const call = (n: number) => ({ id: `c${n}`, tool, input: {}, turnId: "t1", parentId: undefined });
  const events = Array.from({ length: 5000 }, (_, n) => calls.start(call(n), n)).flat();
  const ends = events.flatMap(({ type, data }) => (type === "tool_result" ? [data] : []));
  expect(ends.map(({ id }) => id)).toEqual(Array.from({ length: 4000 }, (_, n) => `c${n}`));
  expect(ends.every(({ synthetic }) => synthetic)).toBe(true);
  // What comes of it late is no second end, and it does not begin again.
  expect(calls.end({ id: "c0", content: "", isError: false }, 1)).toBeUndefined();
  expect(calls.start(call(0), 1)).toEqual([]);
  expect(calls.abandon("all", 1)).toHaveLength(1000);
});

test("1,000 messages may wait for the end of their turn, of whichever turn; a result makes room", () => {
  const owed = new OwedMessages();
  for (let n = 0; n < 1000; n++) {
    owed.assertRoom(1);
    owed.add(n < 400 ? "t1" : "t2", 1);
  }
  expect(() => owed.assertRoom(1)).toThrow("1000 wait for the end of their turn");
  owed.note([result("t9")]);
  expect(() => owed.assertRoom(1)).toThrow();
  owed.note([result("t1")]);
  for (let n = 0; n < 400; n++) owed.add("t3", 1);
  expect(() => owed.assertRoom(1)).toThrow();
});

test("64 MiB of messages may wait for the end of their turn", () => {
  const owed = new OwedMessages();
  owed.add("t1", 60 * 1024 * 1024);
  expect(() => owed.assertRoom(5 * 1024 * 1024)).toThrow("Cannot pass on the message");
  owed.settle("t1");
  expect(() => owed.assertRoom(5 * 1024 * 1024)).not.toThrow();
});

test("2,000 requests may wait for a server that does not answer; the others fail at once, and nothing is remembered of them", async () => {
  let answer: () => void = () => undefined;
  const standing = new Promise<undefined>((resolve) => {
    answer = () => resolve(undefined);
  });
  const line = new RequestLine(() => standing);
  const refusals: string[] = [];
  const all = Array.from({ length: 5000 }, () =>
    line.add(
      async () => undefined,
      (error) => void refusals.push(String(error)),
    ),
  );
  await Promise.all(all.slice(2000));
  expect(refusals).toHaveLength(3000);
  expect(refusals[0]).toContain("2000 requests wait already");
  answer();
  await Promise.all(all);
  await line.add(
    async () => undefined,
    () => void refusals.push("after"),
  );
  expect(refusals).toHaveLength(3000);
});

test("of all text that streams without end the first 4 Mi characters are kept", () => {
  const texts = new TextParts();
  const place = { turnId: "t1", parentId: undefined, model: undefined };
  const piece = "x".repeat(100_000);
  const shown = Array.from({ length: 100 }, (_, n) =>
    texts.delta({ partID: `p${n % 10}`, messageID: "m", delta: piece }, place),
  );
  expect(shown.every((event) => event?.type === "agent_message" && event.data.text === piece)).toBe(true);
  const ends = texts.abandon("all").flatMap((event) => (event.type === "agent_message" ? [event.data.text] : []));
  expect(ends).toHaveLength(10);
  expect(ends.join("")).toHaveLength(4 * 1024 * 1024);
});

test("of 1,500 messages that stream at once 1,000 are followed; the others are told as a whole", () => {
  const place = { turnId: "t1", parentId: undefined };
  const all = Array.from({ length: 1500 }, (_, n) => n);
  const codex = new CodexText();
  const opencode = new TextParts();
  const claude = new ClaudeText();
  const pieces = {
    codex: all.flatMap((n) => codex.delta({ threadId: `h${n}`, itemId: `i${n}`, text: "a" }, place)),
    opencode: all.flatMap(
      (n) => opencode.delta({ partID: `i${n}`, messageID: "m", delta: "a" }, { ...place, model: undefined }) ?? [],
    ),
    claude: all.flatMap((n) => claude.delta({ kind: "text", parent: `c${n}`, index: 0, text: "a" }, "t1") ?? []),
  };
  for (const shown of Object.values(pieces)) expect(shown).toHaveLength(1000);
  const late = { threadId: "h1400", itemId: "i1400", text: "a whole", model: undefined };
  expect(codex.whole(late, place)).toMatchObject([{ data: { item_id: "i1400", text: "a whole", delta: false } }]);
  const part = { id: "i1400", messageID: "m", type: "text", text: "a whole", time: { end: 1 } } as const;
  expect(opencode.update(part, { ...place, model: undefined }).event).toMatchObject({
    data: { item_id: "i1400", text: "a whole", delta: false },
  });
  const block = { messageId: "m", index: 0, text: "a whole", model: undefined, usage: undefined, turnId: "t1" };
  expect(claude.whole({ ...block, parentId: "c1400" })).toMatchObject([
    { data: { item_id: "m:0", text: "a whole", delta: false, parent_id: "c1400" } },
  ]);
  for (const text of [codex, opencode, claude]) expect(text.abandon("all")).toHaveLength(1000);
});

test("a name of more than 8 Ki characters is none: the line is kept as one that says nothing", () => {
  const [good, long] = ["x".repeat(8 * 1024), "x".repeat(8 * 1024 + 1)];
  const lines: Record<string, (id: string) => { kind: string } | string> = {
    "claude's call": (id) =>
      claudeRaw({
        type: "assistant",
        message: { id: "m", content: [{ type: "tool_use", id, name: "Bash", input: {} }] },
      }),
    "claude's question": (id) => claudeRaw({ type: "control_request", request_id: id, request: { subtype: "s" } }),
    "codex' item": (id) =>
      codexRaw({ method: "item/started", params: { threadId: "h", item: { type: "agentMessage", id } } }),
    "codex' question": (id) => codexRaw({ method: "ask", id, params: {} }),
    "an ACP agent's call": (id) =>
      acpRaw({ method: "session/update", params: { update: { sessionUpdate: "tool_call", toolCallId: id } } }),
    "opencode's part": (id) => {
      const read = opencodeRaw({
        type: "message.part.delta",
        properties: { sessionID: "s", messageID: "m", partID: id, field: "text", delta: "a" },
      });
      return typeof read === "string" ? read : "known";
    },
  };
  const kindOf = (read: { kind: string } | string) => (typeof read === "string" ? read : read.kind);
  for (const [name, read] of Object.entries(lines)) {
    expect(kindOf(read(good)), name).not.toBe("unknown");
    expect(kindOf(read(long)), name).toBe("unknown");
  }
  expect(claudeDelta(streamed({ parent_tool_use_id: long }))).toMatchObject({ parent: undefined });
  expect(claudeDelta(streamed({ parent_tool_use_id: good }))).toMatchObject({ parent: good });
});

const streamed = (more: object) => ({
  type: "stream_event",
  event: { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "a" } },
  ...more,
});
