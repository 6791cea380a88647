import { expect, test } from "vitest";
import { noUsage, type SessionEvent } from "../../../src/protocol/event.ts";
import { OpenTurns } from "../../../src/session/open-turns.ts";

const prompt = (turn_id: string): SessionEvent => ({
  type: "user_message",
  data: { turn_id, kind: "prompt", text: `of ${turn_id}` },
});
const result = (turn_id: string): SessionEvent => ({
  type: "result",
  data: { turn_id, session_id: "s", status: "success", cost_usd: 0, duration_ms: 1, num_turns: 1, usage: noUsage },
});

function turnsIn(events: readonly SessionEvent[]): OpenTurns {
  const turns = new OpenTurns();
  for (const [at, event] of events.entries())
    turns.add({ at, line: { ...event, timestamp: at, sidecar_seq: 1, seq: 1 } });
  return turns;
}

test("a turn whose result stands before its prompt is not open", () => {
  expect(turnsIn([prompt("t1"), result("t2"), prompt("t2")]).prompts).toEqual([{ turnId: "t1", text: "of t1" }]);
});

test("of any number of turns that have ended the last 256 are remembered, and all are counted", () => {
  const ids = Array.from({ length: 5000 }, (_, n) => `t${n + 1}`);
  const turns = turnsIn(ids.flatMap((id) => [prompt(id), result(id)]));
  expect([turns.count, turns.prompts, turns.totals.turns]).toEqual([5000, [], 5000]);
  expect([...turns.ended]).toEqual(ids.slice(-256));
});

test("the oldest open turn may have run since it was accepted and the one before it had ended", () => {
  expect(turnsIn([prompt("t1")]).begun).toEqual({ turnId: "t1", at: 0 });
  expect(turnsIn([prompt("t1"), prompt("t2"), result("t1"), prompt("t3")]).begun).toEqual({ turnId: "t2", at: 2 });
  expect(turnsIn([prompt("t1"), result("t1")]).begun).toBeUndefined();
});
