/** How long what sessions share is kept when none is left. */
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { InUse, idleMs } from "../../../src/runtime/docker/in-use.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
});

function begin() {
  const released: string[] = [];
  const inUse = new InUse({ release: async () => void released.push("released"), log: () => undefined });
  return { inUse, released };
}

test("it is kept for a next session, and released once when none comes for as long", () => {
  const { inUse, released } = begin();
  inUse.add("one");
  inUse.drop("one");
  vi.advanceTimersByTime(idleMs - 1);
  expect(released).toEqual([]);
  inUse.add("two");
  vi.advanceTimersByTime(idleMs);
  expect(released).toEqual([]);
  inUse.drop("two");
  vi.advanceTimersByTime(idleMs - 1);
  expect(released).toEqual([]);
  vi.advanceTimersByTime(idleMs);
  expect(released).toEqual(["released"]);
});

test("a container that nobody attends to needs it too", () => {
  const { inUse, released } = begin();
  inUse.kept.add("kept");
  inUse.add("one");
  inUse.drop("one");
  vi.advanceTimersByTime(idleMs);
  expect(released).toEqual([]);
  inUse.drop("kept");
  vi.advanceTimersByTime(idleMs);
  expect(released).toEqual(["released"]);
});
