import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { OpenInputs } from "../../../sidecar/open-inputs.ts";
import { type InputRequired, noUsage, type SessionEvent } from "../../../src/protocol/event.ts";

const permission = (request_id: string, turn_id = "t1"): InputRequired => ({
  request_id,
  turn_id,
  kind: "permission",
  message: "Bash",
  options: [{ id: "approve_once", label: "Yes" }],
});
const required = (id: string, turnId?: string): SessionEvent => ({
  type: "input_required",
  data: permission(id, turnId),
});
const resolved = (request_id: string, by = "client"): SessionEvent => ({
  type: "input_resolved",
  data: { request_id, decision: by === "timeout" ? "deny" : "approve_once", by },
});
const result = (turn_id: string): SessionEvent => ({
  type: "result",
  data: { turn_id, session_id: "s", status: "success", cost_usd: null, duration_ms: 1, num_turns: 1, usage: noUsage },
});

function open(timeoutMs?: number) {
  const expired: string[] = [];
  const inputs = new OpenInputs({ timeoutMs, now: () => 1000, onExpired: (id) => expired.push(id) });
  const pass = (...events: SessionEvent[]) => inputs.pass(events.map((event) => ({ event }))).map(({ event }) => event);
  return { inputs, pass, expired };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("each question is closed once", () => {
  test("by its answer; a second end is dropped", () => {
    const { pass, inputs } = open();
    expect(pass(required("a"), required("a"))).toEqual([required("a")]);
    expect(inputs.count).toBe(1);
    expect(pass(resolved("a"), resolved("a"), resolved("never asked"))).toEqual([resolved("a")]);
    expect(inputs.count).toBe(0);
  });

  test("before the result of its turn, when nobody answered; those of other turns stay", () => {
    const { pass, inputs } = open();
    pass(required("a"), required("b", "t2"));
    expect(pass(result("t1"))).toEqual([
      { type: "input_resolved", data: { request_id: "a", decision: "aborted", by: "agentd" } },
      result("t1"),
    ]);
    expect(inputs.abort().map(({ event }) => event)).toEqual([
      { type: "input_resolved", data: { request_id: "b", decision: "aborted", by: "agentd" } },
    ]);
  });

  test("with what was answered in the record, also where the harness does not say it", () => {
    const { pass, inputs } = open();
    pass(required("a"));
    inputs.answer("a", { decision: "approve_once", updated_input: { command: "ls" } });
    expect(pass(resolved("a"))).toMatchObject([{ data: { updated_input: { command: "ls" } } }]);
  });
});

describe("answers", () => {
  test("the first counts: the same again changes nothing, another is refused", () => {
    const { pass, inputs } = open();
    pass(required("a"));
    expect(inputs.answer("a", { decision: "deny", message: "no" })).toBe(true);
    expect(inputs.answer("a", { message: "no", decision: "deny" })).toBe(false);
    expect(() => inputs.answer("a", { decision: "deny" })).toThrow(/another answer was given first/);
    inputs.takeBack("a");
    expect(inputs.answer("a", { decision: "deny" })).toBe(true);
  });

  test("to what is not open, or was not offered, are refused", () => {
    const { pass, inputs } = open();
    pass(required("a"));
    expect(() => inputs.answer("b", { decision: "deny" })).toThrow(/no question "b" is open/);
    expect(() => inputs.answer("a", { decision: "approve_session" })).toThrow(
      /cannot be answered with approve_session/,
    );
  });
});

describe("expiry", () => {
  test("is announced, and comes when nobody answered", () => {
    const { pass, inputs, expired } = open(5000);
    expect(pass(required("a"))).toMatchObject([{ data: { expires_at: 6000 } }]);
    vi.advanceTimersByTime(4999);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(expired).toEqual(["a"]);
    inputs.answer("a", { decision: "deny", message: "nobody" });
    expect(pass(resolved("a", "timeout"))).toEqual([
      { type: "input_resolved", data: { request_id: "a", decision: "expired", by: "timeout", message: "nobody" } },
    ]);
  });

  test("does not come after an answer, nor after the end of its turn", () => {
    const { pass, inputs, expired } = open(5000);
    pass(required("a"), required("b", "t2"));
    inputs.answer("a", { decision: "deny" });
    pass(result("t2"));
    vi.advanceTimersByTime(10_000);
    expect(expired).toEqual([]);
  });
});

test("beyond a thousand that are open, a question expires as it is asked", () => {
  const { pass, inputs, expired } = open();
  for (let i = 0; i < 1001; i++) pass(required(`q${i}`));
  vi.advanceTimersByTime(1);
  expect(expired).toEqual(["q1000"]);
  expect(pass(resolved("q1000", "timeout"))).toHaveLength(1);
  expect(inputs.count).toBe(1000);
});

test("beyond 64 Mi characters of those that are open, a question expires as it is asked", () => {
  const { pass, inputs, expired } = open();
  const message = "x".repeat(8 * 1024 * 1024);
  const large = (id: string): SessionEvent => ({ type: "input_required", data: { ...permission(id), message } });
  for (let i = 0; i < 9; i++) pass(large(`q${i}`));
  vi.advanceTimersByTime(1);
  expect(expired).toEqual(["q7", "q8"]);
  for (let i = 0; i < 9; i++) pass(resolved(`q${i}`));
  expect(inputs.count).toBe(0);
  pass(large("q9"));
  vi.advanceTimersByTime(1);
  expect(expired).toHaveLength(2);
});
