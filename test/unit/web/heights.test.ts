import fc from "fast-check";
import { expect, test } from "vitest";
import { Heights } from "../../../src/web/session/heights.ts";

const pixels = fc.integer({ min: 1, max: 2000 });
const steps = fc.array(fc.record({ at: fc.nat(3000), height: pixels }), { maxLength: 200 });

test("sums and places are those of a plain list, however rows were added and measured", () => {
  fc.assert(
    fc.property(fc.array(pixels, { minLength: 1, maxLength: 3000 }), steps, fc.nat(6_000_000), (rows, changes, y) => {
      const heights = new Heights();
      const plain = [...rows];
      for (const height of rows) heights.push(height);
      for (const { at, height } of changes) {
        if (at >= plain.length) continue;
        expect(heights.set(at, height)).toBe(height - (plain[at] ?? 0));
        plain[at] = height;
      }
      const before = (index: number) => plain.slice(0, index).reduce((sum, height) => sum + height, 0);
      expect(heights.total).toBe(before(plain.length));
      for (const index of [0, plain.length >> 1, plain.length]) expect(heights.before(index)).toBe(before(index));
      const found = heights.indexAt(y);
      const expected = plain.findIndex((_, index) => before(index + 1) > y);
      expect(found).toBe(expected === -1 ? plain.length - 1 : expected);
    }),
    { numRuns: 60 },
  );
});

test("rows before all others move those that are there", () => {
  fc.assert(
    fc.property(fc.array(pixels, { maxLength: 1500 }), fc.array(pixels, { maxLength: 1500 }), (later, earlier) => {
      const heights = new Heights();
      for (const height of later) heights.push(height);
      heights.prepend(earlier);
      heights.push(7);
      const plain = new Heights();
      for (const height of [...earlier, ...later, 7]) plain.push(height);
      expect([heights.count, heights.total]).toEqual([plain.count, plain.total]);
      for (let index = 0; index <= plain.count; index += 97)
        expect([heights.at(index), heights.before(index)]).toEqual([plain.at(index), plain.before(index)]);
    }),
    { numRuns: 60 },
  );
});

test("nothing is above the first row, and an empty list has no height", () => {
  const heights = new Heights();
  expect([heights.total, heights.count, heights.indexAt(10), heights.indexAt(-5)]).toEqual([0, 0, 0, 0]);
});
