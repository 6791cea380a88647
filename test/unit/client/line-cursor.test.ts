import fc from "fast-check";
import { expect, test } from "vitest";
import { LineCursor } from "../../../src/client/line-cursor.ts";

const log = Buffer.from('{"a":1}\n{"ä":2}\n{"c":"🦉"}\n');
const lines = ['{"a":1}', '{"ä":2}', '{"c":"🦉"}'];

/** Offsets at which a line begins. */
const starts = [0, 8, 17];

test("from any byte, over any breaks, gives exactly the lines that begin at or after it", () => {
  fc.assert(
    fc.property(fc.nat(log.length), fc.array(fc.tuple(fc.nat(9), fc.boolean())), (from, steps) => {
      const cursor = new LineCursor({ from });
      const got: string[] = [];
      let at = cursor.since;
      const read = (to: number) => {
        const pushed = cursor.push(log.subarray(at, to), to);
        if (pushed.type !== "lines") throw new Error(pushed.type);
        got.push(...pushed.lines);
        at = to;
      };
      for (const [bytes, breaks] of steps) {
        read(Math.min(log.length, at + bytes));
        if (!breaks) continue;
        cursor.restart();
        at = cursor.since;
      }
      read(log.length);
      expect(got).toEqual(lines.filter((_, index) => (starts[index] ?? 0) >= from));
      expect(cursor.offset).toBe(log.length);
    }),
  );
});

test("what comes twice is taken once", () => {
  const cursor = new LineCursor({ from: 0 });
  expect(cursor.push(log.subarray(0, 12), 12)).toEqual({ type: "lines", lines: lines.slice(0, 1) });
  expect(cursor.push(log.subarray(4, 17), 17)).toEqual({ type: "lines", lines: lines.slice(1, 2) });
  expect(cursor.offset).toBe(17);
});

test("a hole is noticed, and a declared gap is passed on", () => {
  const cursor = new LineCursor({ from: 3 });
  expect(cursor.push(log.subarray(8, 17), 17)).toEqual({ type: "missed" });
  expect(cursor.push(log.subarray(8, 17), 17, { isGap: true })).toEqual({
    type: "gap",
    from: 3,
    start: 8,
    lines: lines.slice(1, 2),
  });
});

test("a gap of only the byte we asked for in addition is none", () => {
  const cursor = new LineCursor({ from: 8 });
  expect(cursor.push(log.subarray(8, 17), 17, { isGap: true })).toEqual({ type: "lines", lines: lines.slice(1, 2) });
});

test("an offset past the end goes on at the end", () => {
  const cursor = new LineCursor({ from: 1000 });
  expect(cursor.push(log.subarray(8), log.length)).toEqual({ type: "lines", lines: lines.slice(1) });
  expect(cursor.offset).toBe(log.length);
});

test("live text is told from the unmarked base64 of older daemons by its offset", () => {
  const text = "abcd";
  const encoded = Buffer.from("xyz").toString("base64");
  expect(new LineCursor({ from: 0 }).decode(text, 4).toString()).toBe(text);
  expect(new LineCursor({ from: 0 }).decode(encoded, 3).toString()).toBe("xyz");
  expect(new LineCursor({ from: 0 }).decode(encoded, 4).toString()).toBe(encoded);
});
