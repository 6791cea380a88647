/** The states of a session and the one table of their transitions. Pure. */
import type { EndReason, SessionStatus } from "../protocol/session.ts";

export type SessionState =
  | { at: "pending" }
  | { at: "running"; isAdopted: boolean }
  /** Someone asked for the end; the first reason is the one that counts. */
  | { at: "stopping"; reason: EndReason }
  | { at: "ended"; status: "completed" | "failed"; reason: EndReason; exitCode: number; endedAt: number };

export type SessionInput =
  | { type: "launched"; isAdopted: boolean }
  | { type: "stop"; reason: EndReason }
  | { type: "ended"; reason: EndReason; exitCode: number; endedAt: number };

/** Illegal inputs throw, naming state and input: they are faults of ours, not of a caller. */
export function next(state: SessionState, input: SessionInput): SessionState {
  switch (input.type) {
    case "launched":
      if (state.at === "pending") return { at: "running", isAdopted: input.isAdopted };
      if (state.at === "stopping") return state;
      break;
    case "stop":
      if (state.at === "stopping" || state.at === "ended") return state;
      return { at: "stopping", reason: input.reason };
    case "ended": {
      if (state.at === "ended") break;
      const reason = state.at === "stopping" ? state.reason : input.reason;
      const status = reason === "finished" && input.exitCode === 0 ? "completed" : "failed";
      return { at: "ended", status, reason, exitCode: input.exitCode, endedAt: input.endedAt };
    }
    default:
      input satisfies never;
  }
  throw new Error(`a session that is ${state.at} cannot be ${input.type}`);
}

/** The public word. */
export function statusOf(state: SessionState): SessionStatus {
  switch (state.at) {
    case "pending":
      return "pending";
    case "running":
      return state.isAdopted ? "orphaned" : "running";
    case "stopping":
      return "running";
    case "ended":
      return state.status;
    default:
      return state satisfies never;
  }
}
