import { expect, test } from "vitest";
import { readTraceparent, spanIdOf, traceOf, traceparentOf } from "../../../src/session/trace-context.ts";

const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

test.each([
  given,
  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
  "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later",
])("%s is a traceparent", (header) => {
  expect(readTraceparent(` ${header} `)).toBe(header);
});

test.each([
  undefined,
  "",
  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
  "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
  "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
  "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
  "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  `${given}-more`,
  `cc${given.slice(2)}-${"x".repeat(200)}`,
  `${given}\r\nX: y`,
])("%j is none, and is ignored", (header) => {
  expect(readTraceparent(header)).toBeUndefined();
});

test("a session's span is a child of its caller's, and the same for every daemon", () => {
  const session = { id: "s1", traceparent: given };
  expect(traceOf(session)).toEqual({
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    parentSpanId: "00f067aa0ba902b7",
    isSampled: true,
  });
  expect(traceparentOf(session)).toBe(`00-4bf92f3577b34da6a3ce929d0e0e4736-${spanIdOf("s1")}-01`);
});

test("a session without a caller's trace has one of its own", () => {
  const traces = ["s1", "s1", "s2"].map((id) => traceOf({ id, traceparent: undefined }).traceId);
  expect(traces[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(traces[0]).toBe(traces[1]);
  expect(traces[0]).not.toBe(traces[2]);
});
