import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ReplayRing } from "../../../src/protocol/replay-ring.ts";

type Operation = { do: "push"; bytes: Uint8Array } | { do: "read"; from: number; to: number } | { do: "release" };

const operations = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes): Operation => ({ do: "push", bytes })) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("read" as const), from: fc.nat(600), to: fc.nat(600) }) },
    { weight: 1, arbitrary: fc.constant<Operation>({ do: "release" }) },
  ),
  { maxLength: 60 },
);

test("answers as a plain byte array does, or says that it no longer holds the bytes", () => {
  void fc.assert(
    fc.property(operations, fc.nat(100), fc.nat(300), (steps, capacityMax, firstOffset) => {
      const ring = new ReplayRing({ capacityMax, end: firstOffset });
      let all = Buffer.alloc(firstOffset);
      let oldest = firstOffset;
      for (const step of steps) {
        if (step.do === "push") {
          ring.push(Buffer.from(step.bytes));
          all = Buffer.concat([all, step.bytes]);
          oldest = Math.max(oldest, all.length - capacityMax);
        } else if (step.do === "release") {
          ring.release();
          oldest = all.length;
        } else {
          const held = step.from >= ring.start && step.to <= all.length && step.from <= step.to;
          expect(ring.read(step.from, step.to)).toEqual(held ? all.subarray(step.from, step.to) : undefined);
        }
        expect(ring.end).toBe(all.length);
        expect(ring.start).toBe(oldest);
        expect(ring.capacity).toBeLessThanOrEqual(capacityMax);
        expect(ring.read(ring.start, ring.end)).toEqual(all.subarray(ring.start));
      }
    }),
  );
});

test("takes memory as it is needed, up to its capacity, across many wraps", () => {
  const capacityMax = 100_000;
  const ring = new ReplayRing({ capacityMax, end: 7 });
  expect(ring.capacity).toBe(0);
  let all = Buffer.alloc(7);
  for (let i = 0; i < 60; i++) {
    const chunk = Buffer.alloc(1 + ((i * 7919) % 20_000), i);
    ring.push(chunk);
    all = Buffer.concat([all, chunk]);
    expect(ring.read(ring.start, ring.end)?.equals(all.subarray(ring.start))).toBe(true);
  }
  expect(ring.capacity).toBe(capacityMax);
  expect(ring.end - ring.start).toBe(capacityMax);
  ring.release();
  expect(ring.capacity).toBe(0);
  expect(ring.end).toBe(all.length);
});
