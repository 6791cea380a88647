/** The events and words by which the daemon itself ends turns and sessions. Pure. */
import { AgentdError, messageOf } from "../protocol/error.ts";
import {
  type ErrorCategory,
  type EventOf,
  isRetryable,
  noUsage,
  type SessionEvent,
  type TurnStatus,
} from "../protocol/event.ts";
import type { EndReason } from "../protocol/session.ts";
import type { SidecarEnd } from "../runtime/runtime.ts";

/** A result for a turn that the agent was never given, or whose end it can no longer tell after so many milliseconds. */
export function ownResult(
  session: { id: string; agentSessionId: string | undefined },
  turnId: string,
  { status, reason, durationMs = 0 }: { status: TurnStatus; reason: string; durationMs?: number },
): SessionEvent {
  return {
    type: "result",
    data: {
      turn_id: turnId,
      session_id: session.agentSessionId ?? session.id,
      status,
      cost_usd: null,
      duration_ms: durationMs,
      num_turns: 0,
      usage: noUsage,
      reason,
      ...(turnId.includes(".") ? { origin: "agent" as const } : {}),
    },
  };
}

/** An item that is in the log and that the agent would not have. */
export function refusedItem(kind: "context" | "mention", reason: string): SessionEvent {
  return {
    type: "error",
    data: { code: "agent_failed", message: `Cannot give the ${kind} to the agent: ${reason}`, retryable: false },
  };
}

/** Why there will be no word of the sidecar any more. */
export interface Loss {
  code: string;
  category: ErrorCategory;
  message: string;
}

/** A fault of ours on the way to the end. */
export function faultLoss(sessionId: string, error: unknown): Loss {
  const category = "sidecar_lost";
  if (error instanceof AgentdError && error.code === "runtime_unavailable")
    return {
      code: error.code,
      category,
      message: `Session "${sessionId}" was given up while its place was away: ${error.message}. What it still runs there is ended when the place is back`,
    };
  const message = `Session "${sessionId}" ended after a fault inside agentd: ${messageOf(error)}`;
  return { code: "internal", category, message };
}

export function lossError({ code, category, message }: Loss): SessionEvent {
  return { type: "error", data: { code, message, retryable: isRetryable[category], error_category: category } };
}

/** The last event of a session whose agent's code nobody knows: −1, as an ending of the Go daemon. */
export function lossExit({ category, message }: Loss): SessionEvent {
  return {
    type: "exit",
    data: { code: -1, error_detail: message, error_category: category, retryable: isRetryable[category] },
  };
}

/** Categories that are reasons themselves: somebody ended it, whatever code its agent left with. */
const endedFor: readonly EndReason[] = ["stall", "sidecar_lost", "stopped", "timeout"];

export function endReasonOf(exit: EventOf<"exit">["data"]): EndReason {
  const ownReason = endedFor.find((reason) => reason === exit.error_category);
  if (ownReason !== undefined) return ownReason;
  if (exit.signal !== undefined) return "agent_killed";
  return exit.code === 0 ? "finished" : "agent_failed";
}

/** Of a process that an earlier daemon began only its absence is seen. */
export function howItWent({ code, signal, reason }: SidecarEnd): string {
  if (reason !== undefined) return reason;
  return signal === null && code === null
    ? "its process is gone"
    : `its process ended with ${signal ?? `code ${code}`}`;
}
