import { describe, expect, test } from "vitest";
import { exitEvent, isWordOfAgent } from "../../../sidecar/exit-event.ts";
import type { SessionEvent } from "../../../src/protocol/event.ts";

const silent = { hasSpoken: false };
const progress = (kind: string): SessionEvent => ({ type: "progress", data: { turn_id: "t1", kind } });

describe("exit", () => {
  test("an agent that ends with a code before it did anything crashed at its start", () => {
    const { data } = exitEvent({ ...silent, end: { code: 3, stderrTail: "no such flag" } });
    expect(data).toMatchObject({ code: 3, error_category: "startup_crash", error_detail: "no such flag" });
  });

  test("an agent that told of the failure of its turn did not crash at its start, whatever else it said", () => {
    const end = { code: 1, stderrTail: "", detail: "the model would not answer" };
    expect(exitEvent({ ...silent, end }).data).toEqual({ code: 1, error_detail: "the model would not answer" });
  });

  test("an agent of which nothing but progress was seen did not crash at its start", () => {
    expect(isWordOfAgent(progress("retry"))).toBe(true);
    const { data } = exitEvent({ hasSpoken: true, end: { code: 1, stderrTail: "" } });
    expect(data).toEqual({ code: 1 });
  });

  test("what was written to the agent is no word of its own", () => {
    expect(isWordOfAgent(progress("input_delivered"))).toBe(false);
    expect(isWordOfAgent({ type: "stderr", data: { text: "usage: …" } })).toBe(false);
  });
});
