import { expect, test } from "vitest";
import { noUsage } from "../../../src/protocol/event.ts";
import { Budget } from "../../../src/session/budget.ts";

const turn = (cost_usd: number | null, more: object = {}) => ({
  turn_id: "t1",
  session_id: "s",
  status: "success" as const,
  cost_usd,
  duration_ms: 5,
  num_turns: 1,
  usage: noUsage,
  ...more,
});

test("it is spent when the turns have cost as much", () => {
  const budget = new Budget(1);
  budget.note(turn(0.6));
  expect(budget.spent).toBeUndefined();
  budget.note(turn(0.4));
  expect(budget.spent).toBe("max_budget_usd");
});

test("a turn of unknown cost makes it impossible to hold", () => {
  const budget = new Budget(1);
  budget.note(turn(null, { turn_id: "t2" }));
  expect(budget.spent).toContain("turn t2");
});

test("a prompt that never reached the agent cost nothing", () => {
  const budget = new Budget(1);
  budget.note(turn(null, { status: "withdrawn", duration_ms: 0, num_turns: 0 }));
  expect(budget.spent).toBeUndefined();
});

test("without a limit it is never spent", () => {
  const budget = new Budget(undefined);
  budget.note(turn(1000));
  budget.note(turn(null));
  expect(budget.spent).toBeUndefined();
});
