/** What is owed while an engine is away, and sessions that come again under the same id meanwhile. */
import { expect, onTestFinished, test } from "vitest";
import { Owed } from "../../../src/runtime/docker/owed.ts";
import { eventually } from "../../support/eventually.ts";

function begin() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const owed = new Owed((id) => {
    begun.push(id);
    return new Promise((resolve) => ends.set(id, () => resolve({ isAway: false })));
  }, 10);
  onTestFinished(() => owed.close());
  return { owed, begun, end: (id: string) => ends.get(id)?.() };
}

test("whoever comes again waits for a sweep that takes it for the one before", async () => {
  const { owed, begun, end } = begin();
  owed.add("one");
  await eventually(() => begun.length === 1, { what: "the sweep" });
  let isFree = false;
  const free = owed.drop("one").then(() => {
    isFree = true;
  });
  await Promise.resolve();
  expect(isFree).toBe(false);
  end("one");
  await free;
  expect(begun).toEqual(["one"]);
});

test("one that was dropped while another was swept is not swept", async () => {
  const { owed, begun, end } = begin();
  for (const id of ["one", "two", "three"]) owed.add(id);
  await eventually(() => begun.length === 1, { what: "the first sweep" });
  await owed.drop("two");
  end("one");
  await eventually(() => begun.length === 2, { what: "the next sweep" });
  expect(begun).toEqual(["one", "three"]);
  end("three");
});
