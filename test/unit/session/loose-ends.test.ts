import { expect, test } from "vitest";
import type { SessionEvent } from "../../../src/protocol/event.ts";
import type { LogLine } from "../../../src/protocol/line.ts";
import { LooseEnds } from "../../../src/session/loose-ends.ts";

test("a call without a result gets one that says it was made up", () => {
  expect(closeLooseEnds(lines(call("a"), call("b", "task"), result("a")), 150)).toEqual([
    {
      type: "tool_result",
      data: {
        turn_id: "t1",
        id: "b",
        name: "Bash",
        output: "Made up by agentd: the session ended before this call reported a result.",
        is_error: true,
        duration_ms: 50,
        synthetic: true,
        parent_id: "task",
      },
    },
  ]);
});

test("text that only has deltas is closed as superseded, and before the calls", () => {
  const closing = closeLooseEnds(
    lines(call("a"), text("m1", true), text("m2", true), text("m2", false), text("m3", true)),
    100,
  );
  expect(closing.map(({ type, data }) => [type, "item_id" in data ? data.item_id : data])).toMatchObject([
    ["agent_message", "m1"],
    ["agent_message", "m3"],
    ["tool_result", { id: "a" }],
  ]);
  expect(closing[0]).toEqual({
    type: "agent_message",
    data: { turn_id: "t1", item_id: "m1", text: "", delta: false, superseded: true },
  });
});

test("a clock that went back gives no negative duration", () => {
  expect(closeLooseEnds(lines(call("a")), 1)).toMatchObject([{ data: { duration_ms: 0 } }]);
});

test("nothing open needs nothing", () => {
  expect(closeLooseEnds(lines(call("a"), result("a"), text("m", true), text("m", false)), 100)).toEqual([]);
});

function closeLooseEnds(read: readonly LogLine[], now: number): SessionEvent[] {
  const ends = new LooseEnds();
  for (const line of read) ends.add(line);
  return ends.close(now);
}

function lines(...events: SessionEvent[]): LogLine[] {
  return events.map((event, i) => ({ ...event, timestamp: 100, sidecar_seq: i + 1, seq: i + 1 }));
}

function call(id: string, parent?: string): SessionEvent {
  const data = { turn_id: "t1", id, name: "Bash", kind: "execute" as const, input: {} };
  return { type: "tool_use", data: parent === undefined ? data : { ...data, parent_id: parent } };
}

function result(id: string): SessionEvent {
  return {
    type: "tool_result",
    data: { turn_id: "t1", id, name: "Bash", output: "", is_error: false, duration_ms: 1 },
  };
}

function text(item: string, delta: boolean): SessionEvent {
  return { type: "agent_message", data: { turn_id: "t1", item_id: item, text: "x", delta } };
}
