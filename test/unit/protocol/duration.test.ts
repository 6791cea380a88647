import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Duration, parseDuration } from "../../../src/protocol/duration.ts";

test.each([
  ["90s", 90_000],
  ["1h30m", 5_400_000],
  ["250ms", 250],
  ["1.5s", 1_500],
  ["2m3s4ms", 123_004],
  ["1500us", 1.5],
  ["1500µs", 1.5],
  ["1500μs", 1.5],
  ["0s", 0],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBeCloseTo(ms, 6);
});

test.each(["", "90", "s", "-1s", "1 s", " 1s", "1s ", "1d", "1S", "1s5", "1..5s", "1e3s", "٣s", `${"9".repeat(400)}h`])(
  "%j is not a duration",
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
    expect(Duration.safeParse(text).success).toBe(false);
  },
);

test("nothing is not a duration to wait for", () => {
  expect(Duration.safeParse("0s").success).toBe(false);
});

test("no timer can wait for more than 24 days", () => {
  expect(Duration.parse("576h")).toBe(24 * 24 * 3_600_000);
  expect(Duration.safeParse("577h").error?.issues[0]?.message).toBe(
    'expected a duration such as "90s" or "1h30m", at most 24 days (576h), found "577h"',
  );
});

test("is the sum of its parts", () => {
  const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
  const part = fc.record({ count: fc.nat(10_000), unit: fc.constantFrom("h", "m", "s", "ms") });
  void fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      const text = parts.map(({ count, unit }) => `${count}${unit}`).join("");
      expect(parseDuration(text)).toBe(parts.reduce((sum, { count, unit }) => sum + count * units[unit], 0));
    }),
  );
});

test("never throws", () => {
  void fc.assert(fc.property(fc.string(), (text) => void parseDuration(text)));
});
