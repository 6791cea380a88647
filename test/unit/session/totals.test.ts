import { expect, test } from "vitest";
import { noUsage, type SessionEvent } from "../../../src/protocol/event.ts";
import { addResult, noTotals } from "../../../src/session/totals.ts";

const usage = { input_tokens: 1, output_tokens: 2, cache_read_input_tokens: 3, cache_creation_input_tokens: 4 };

test("results, their costs and calls add up", () => {
  const events: SessionEvent[] = [call("a"), call("b"), result(0.25), result(null), result(0.5)];
  expect(events.reduce(addResult, noTotals)).toEqual({
    turns: 3,
    toolCalls: 2,
    costUsd: 0.75,
    usage: { input_tokens: 3, output_tokens: 6, cache_read_input_tokens: 9, cache_creation_input_tokens: 12 },
  });
});

test("a cost that nobody knows stays unknown", () => {
  expect(addResult(noTotals, result(null)).costUsd).toBeUndefined();
});

test("sums stay finite, whatever is claimed", () => {
  const events = [result(Number.MAX_VALUE), result(Number.MAX_VALUE)];
  expect(events.reduce(addResult, noTotals).costUsd).toBe(Number.MAX_VALUE);
});

test("other events change nothing", () => {
  expect(addResult(noTotals, { type: "stdout", data: { text: "x" } })).toBe(noTotals);
  expect(noTotals.usage).toEqual(noUsage);
});

function call(id: string): SessionEvent {
  return { type: "tool_use", data: { turn_id: "t1", id, name: "Bash", kind: "execute", input: {} } };
}

function result(cost: number | null): SessionEvent {
  return {
    type: "result",
    data: {
      turn_id: "t1",
      session_id: "s",
      status: "success",
      cost_usd: cost,
      duration_ms: 1,
      num_turns: 1,
      usage,
    },
  };
}
