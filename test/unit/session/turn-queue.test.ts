import * as fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { TurnQueue } from "../../../src/session/turn-queue.ts";

let queue: TurnQueue;
beforeEach(() => {
  queue = new TurnQueue();
});

test("the agent gets one prompt at a time, in the order they came", () => {
  expect(["a", "b", "c"].map(add)).toEqual([0, 1, 2]);
  expect(queue.takeNext()).toEqual({ turnId: "t1", text: "a" });
  expect(queue.takeNext()).toBeUndefined();
  expect(queue.list()).toEqual([
    { turn_id: "t2", text: "b", position: 1 },
    { turn_id: "t3", text: "c", position: 2 },
  ]);
  queue.close("t1");
  expect(queue.takeNext()?.turnId).toBe("t2");
});

test("a position counts the open turn", () => {
  add("a");
  queue.takeNext();
  expect(add("b")).toBe(1);
});

test("a prompt is not given out before the log has it, and none behind it is", () => {
  queue.add({ turnId: queue.mintTurnId(), text: "a" }, { isRecorded: false });
  add("b");
  expect({ given: queue.takeNext(), waiting: queue.length }).toEqual({ given: undefined, waiting: 2 });
  queue.recorded("t1");
  expect(queue.takeNext()?.turnId).toBe("t1");
});

test("a result that names another turn leaves the open one open", () => {
  add("a");
  queue.takeNext();
  queue.close("t7");
  expect(queue.open).toBe("t1");
});

test("a waiting prompt can be withdrawn once, the open one never", () => {
  add("a");
  add("b");
  queue.takeNext();
  expect([queue.withdraw("t1"), queue.withdraw("t2"), queue.withdraw("t2")]).toEqual([false, true, false]);
  expect(queue.length).toBe(0);
});

test("turn ids go on after a restart", () => {
  queue.restore(7, [{ turnId: "t6", text: "x" }]);
  expect(queue.mintTurnId()).toBe("t8");
  expect(queue.takeNext()?.turnId).toBe("t6");
});

test("after a restart the turn that the sidecar runs is the open one and no longer waits", () => {
  queue.restore(2, [
    { turnId: "t1", text: "x" },
    { turnId: "t2", text: "y" },
  ]);
  queue.markOpen("t1");
  expect({ open: queue.open, waiting: queue.length, next: queue.takeNext() }).toEqual({
    open: "t1",
    waiting: 1,
    next: undefined,
  });
});

test("a turn that the agent began by itself takes nothing off the queue", () => {
  add("a");
  queue.markOpen("t0.1");
  expect({ open: queue.open, waiting: queue.length }).toEqual({ open: undefined, waiting: 1 });
});

test("abandoning names the open turn first and leaves it empty", () => {
  for (const text of ["a", "b", "c"]) add(text);
  queue.takeNext();
  expect(queue.abandon()).toEqual(["t1", "t2", "t3"]);
  expect(queue.isEmpty).toBe(true);
});

test("whatever happens, each accepted prompt leaves the queue in exactly one way", () => {
  const step = fc.constantFrom("add", "take", "close", "withdraw", "abandon");
  void fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      queue = new TurnQueue();
      const accepted: string[] = [];
      const settled: string[] = [];
      for (const act of steps) {
        if (act === "add") {
          add("x");
          accepted.push(`t${queue.count}`);
        } else if (act === "take") queue.takeNext();
        else if (act === "close" && queue.open !== undefined) {
          settled.push(queue.open);
          queue.close(queue.open);
        } else if (act === "withdraw") {
          const last = queue.list().at(-1)?.turn_id ?? "none";
          if (queue.withdraw(last)) settled.push(last);
        } else if (act === "abandon") settled.push(...queue.abandon());
      }
      settled.push(...queue.abandon());
      expect([...settled].sort()).toEqual([...accepted].sort());
    }),
  );
});

function add(text: string): number {
  return queue.add({ turnId: queue.mintTurnId(), text }, { isRecorded: true });
}
