import { describe, expect, test } from "vitest";
import { next, type SessionInput, type SessionState, statusOf } from "../../../src/session/lifecycle.ts";

const launched: SessionInput = { type: "launched", isAdopted: false };
const adopted: SessionInput = { type: "launched", isAdopted: true };
const stop: SessionInput = { type: "stop", reason: "stopped" };
const finished: SessionInput = { type: "ended", reason: "finished", exitCode: 0, endedAt: 9 };
const failed: SessionInput = { type: "ended", reason: "finished", exitCode: 3, endedAt: 9 };
const lost: SessionInput = { type: "ended", reason: "sidecar_lost", exitCode: -1, endedAt: 9 };

const pending: SessionState = { at: "pending" };
const running: SessionState = { at: "running", isAdopted: false };
const orphaned: SessionState = { at: "running", isAdopted: true };
const stopping: SessionState = { at: "stopping", reason: "stopped" };
const deleting: SessionState = { at: "stopping", reason: "deleted" };
const completed: SessionState = { at: "ended", status: "completed", reason: "finished", exitCode: 0, endedAt: 9 };
const exit3: SessionState = { at: "ended", status: "failed", reason: "finished", exitCode: 3, endedAt: 9 };
const gone: SessionState = { at: "ended", status: "failed", reason: "sidecar_lost", exitCode: -1, endedAt: 9 };
const stopped = (exitCode: number): SessionState => ({
  at: "ended",
  status: "failed",
  reason: "stopped",
  exitCode,
  endedAt: 9,
});
const deleted = (exitCode: number): SessionState => ({
  at: "ended",
  status: "failed",
  reason: "deleted",
  exitCode,
  endedAt: 9,
});
const refused = "refused" as const;

describe("each state and each input has one outcome", () => {
  const inputs = { launched, adopted, stop, finished, failed, lost };
  const table: [string, SessionState, ReturnType<typeof row>][] = [
    //            launched           adopted            stop            finished             failed         lost
    ["pending", pending, row(running, orphaned, stopping, completed, exit3, gone)],
    ["running", running, row(refused, refused, stopping, completed, exit3, gone)],
    ["orphaned", orphaned, row(refused, refused, stopping, completed, exit3, gone)],
    ["stopping", stopping, row(stopping, stopping, stopping, stopped(0), stopped(3), stopped(-1))],
    ["deleting", deleting, row(deleting, deleting, deleting, deleted(0), deleted(3), deleted(-1))],
    ["completed", completed, row(refused, refused, completed, refused, refused, refused)],
    ["failed", gone, row(refused, refused, gone, refused, refused, refused)],
  ];
  for (const [name, state, outcomes] of table) {
    for (const [word, input] of Object.entries(inputs)) {
      const outcome = outcomes[word as keyof typeof inputs];
      test(`${name} + ${word} → ${outcome === refused ? refused : shown(outcome)}`, () => {
        if (outcome === refused)
          expect(() => next(state, input)).toThrow(`a session that is ${state.at} cannot be ${input.type}`);
        else expect(next(state, input)).toEqual(outcome);
      });
    }
  }
});

test("each state has its public word", () => {
  expect([pending, running, orphaned, stopping, deleting, completed, exit3, gone].map(statusOf)).toEqual([
    "pending",
    "running",
    "orphaned",
    "running",
    "running",
    "completed",
    "failed",
    "failed",
  ]);
});

type Outcome = SessionState | typeof refused;

function row(...outcomes: [Outcome, Outcome, Outcome, Outcome, Outcome, Outcome]) {
  const [onLaunched, onAdopted, onStop, onFinished, onFailed, onLost] = outcomes;
  return {
    launched: onLaunched,
    adopted: onAdopted,
    stop: onStop,
    finished: onFinished,
    failed: onFailed,
    lost: onLost,
  };
}

function shown(state: SessionState): string {
  return "reason" in state ? `${state.at}, ${state.reason}` : statusOf(state);
}
