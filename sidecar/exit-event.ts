/** The last event of a session, from how its agent ended. Pure. */
import {
  type ErrorCategory,
  type EventOf,
  type EventType,
  isRetryable,
  type SessionEvent,
} from "../src/protocol/event.ts";
import type { AgentEnd } from "./harness.ts";

export interface Ending {
  end: AgentEnd;
  /** Why we ended it, when we did. */
  stopReason?: string | undefined;
  /** It had something to say beyond complaints before it ended. */
  hasSpoken: boolean;
}

const detailCharactersMax = 8 * 1024;

/** What may be in the log of an agent that crashed at its start: complaints, and what we ourselves say of its turn. */
const complaints: readonly EventType[] = ["stderr", "system", "error", "result"];

/** Whether the agent did something, as far as this event tells. */
export function isWordOfAgent({ type, data }: SessionEvent): boolean {
  if (complaints.includes(type)) return false;
  // That a line was written to it says nothing of what became of it.
  return !(type === "progress" && data["kind"] === "input_delivered");
}

export function exitEvent(ending: Ending): EventOf<"exit"> {
  const { end } = ending;
  const category = endCategory(ending);
  const detail = end.detail ?? (end.code === 0 ? "" : end.stderrTail.trim());
  return {
    type: "exit",
    data: {
      code: end.code,
      ...(end.signal === undefined ? {} : { signal: end.signal }),
      ...(detail === "" ? {} : { error_detail: detail.slice(-detailCharactersMax) }),
      ...(category === undefined ? {} : { error_category: category, retryable: isRetryable[category] }),
    },
  };
}

function endCategory({ end, stopReason, hasSpoken }: Ending): ErrorCategory | undefined {
  // Our own act comes first: what the agent said while it was being ended is a consequence.
  if (stopReason === "stall" || stopReason === "timeout" || stopReason === "sidecar_lost") return stopReason;
  if (stopReason === "launch_failed") return "startup_crash";
  if (stopReason !== undefined) return "stopped";
  if (end.isOutOfMemory === true) return "oom";
  if (end.category !== undefined) return end.category;
  if (end.signal !== undefined) return "agent_crash";
  // A failure of which the agent itself has told is one of its work.
  return end.code !== 0 && !hasSpoken && end.detail === undefined ? "startup_crash" : undefined;
}
