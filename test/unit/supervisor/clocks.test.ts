import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Clocks } from "../../../src/supervisor/clocks.ts";

let reached: string[];
let clocks: Clocks;
beforeEach(() => {
  vi.useFakeTimers();
  reached = [];
  clocks = new Clocks({
    sessionMs: 10_000,
    turnMs: 5_000,
    hooks: { startMs: 0, endMs: 0 },
    onSessionLimit: () => reached.push("session"),
    onTurnLimit: () => reached.push("turn"),
    onStartLimit: () => reached.push("start"),
    onStopLimit: () => reached.push("stop"),
  });
});
afterEach(() => {
  clocks.stop();
  vi.useRealTimers();
});

const busy = { activity: "busy", turnId: "t1", isAwaited: true, isPaused: false } as const;
const starting = { activity: "starting", turnId: undefined, isAwaited: false, isPaused: false } as const;

test("the time of a session and of its turn stands still while the disk is full, and goes on where it stood", () => {
  clocks.follow(busy);
  vi.advanceTimersByTime(4_000);
  clocks.follow({ ...busy, isPaused: true });
  vi.advanceTimersByTime(3_600_000);
  expect(reached).toEqual([]);
  clocks.follow(busy);
  vi.advanceTimersByTime(999);
  expect(reached).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(reached).toEqual(["turn"]);
  vi.advanceTimersByTime(5_000);
  expect(reached).toEqual(["turn", "session"]);
});

test("so does the time of the agent's start, which ends with the start", () => {
  clocks.beginStart();
  clocks.follow({ ...starting, isPaused: true });
  vi.advanceTimersByTime(3_600_000);
  expect(reached).toEqual([]);
  clocks.follow(starting);
  vi.advanceTimersByTime(120_000);
  expect(reached).toEqual(["start"]);
  clocks.beginStart();
  clocks.follow({ ...starting, activity: "idle" });
  clocks.follow(starting);
  vi.advanceTimersByTime(3_600_000);
  expect(reached).toEqual(["start"]);
});

test("a stop has the whole of its time once there is room, and none is begun for want of one", () => {
  clocks.follow({ ...busy, isPaused: true });
  clocks.follow(busy);
  clocks.follow({ ...busy, activity: "idle" });
  clocks.beginStop();
  vi.advanceTimersByTime(14_000);
  clocks.follow({ ...busy, activity: "idle", isPaused: true });
  clocks.follow({ ...busy, activity: "idle" });
  vi.advanceTimersByTime(14_999);
  expect(reached).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(reached).toEqual(["stop"]);
});

test("when all is over nothing begins again", () => {
  clocks.follow({ ...busy, isPaused: true });
  clocks.beginStop();
  clocks.stop();
  clocks.follow(busy);
  vi.advanceTimersByTime(3_600_000);
  expect(reached).toEqual([]);
});
