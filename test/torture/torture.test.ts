import { expect, test } from "vitest";
import { printReport } from "./report.ts";
import { torture } from "./torture.ts";

test("whatever is killed, stopped, filled, torn or cut off: all that was promised is in the logs, once", async () => {
  const report = await torture({ seed: 7, durationMs: 10_000, actors: 4 });
  console.log(printReport(report));
  expect(report.problems).toEqual([]);
  expect(report.total.numbers).toBeGreaterThan(0);
  expect(report.chats.accepted).toBeGreaterThan(0);
  expect(Object.keys(report.faults).length).toBeGreaterThan(0);
}, 180_000);
