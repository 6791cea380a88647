/** Some thousand inputs; fuzz.long.test.ts sends a hundred thousand. */
import { expect, onTestFinished, test } from "vitest";
import { routeTable } from "../../src/api/route-table.ts";
import { expectHeard } from "./fuzz/expect-heard.ts";
import { Fuzzing } from "./fuzz/fuzzing.ts";
import { bodies } from "./fuzz/requests.ts";

test("every route that changes something is sent bodies made by its schema", () => {
  const changing = Object.entries(routeTable).flatMap(([route, { act }]) => (act === undefined ? [] : [route]));
  expect(Object.keys(bodies).sort()).toEqual(changing.sort());
});

test("3,000 inputs that nobody would send: no fault, no hang, and the daemon goes on", async () => {
  const seed = Math.floor(Math.random() * 1e9);
  const fuzzing = await Fuzzing.open({ memory: false });
  onTestFinished(() => fuzzing.close());
  const { faults, aliveShare, statuses, said } = await fuzzing.run({ inputs: 3_000, seed });
  expect(faults, `seed ${seed}`).toEqual([]);
  // Were none of them taken, or all, the inputs would be no good.
  expect(Number(statuses["200"])).toBeGreaterThan(100);
  expect(Number(statuses["400"])).toBeGreaterThan(100);
  expect(aliveShare).toBeGreaterThan(0.8);
  expectHeard(said);
}, 300_000);
