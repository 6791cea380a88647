import { expect, onTestFinished, test } from "vitest";
import { Remains } from "../../../src/runtime/docker/remains.ts";
import { eventually } from "../../support/eventually.ts";

test("what cannot be removed keeps nothing behind it, and is tried again until it is gone", async () => {
  const remains = new Remains(5);
  onTestFinished(() => remains.close());
  const tried = { one: 0, two: 0 };
  const faults = await remains.remove([
    async () => {
      tried.one += 1;
      if (tried.one < 4) throw new Error("it is busy");
    },
    async () => {
      tried.two += 1;
    },
  ]);
  expect([faults, tried]).toEqual([["it is busy"], { one: 1, two: 1 }]);
  await eventually(() => tried.one === 4, { what: "the last try" });
  expect([await remains.settle(), tried]).toEqual([[], { one: 4, two: 1 }]);
});
