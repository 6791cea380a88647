/** A session as the supervisor holds it, and what of it is kept on disk. */
import { defined } from "../protocol/defined.ts";
import type { SidecarAddress } from "../runtime/runtime.ts";
import type { SessionRecord } from "../session/record.ts";
import type { Session } from "../session/session.ts";
import { noTotals, type Totals } from "../session/totals.ts";
import type { Attendance } from "./attendance.ts";

/** A session, with its attendance while it is live. */
export interface Entry {
  readonly session: Session;
  attendance: Attendance | undefined;
  sidecar: SidecarAddress | undefined;
  /** Writes of the record go one after the other. */
  saving: Promise<void>;
}

export function recordOf(entry: Entry): SessionRecord {
  const { session, sidecar, attendance } = entry;
  const { totals } = session;
  return {
    version: 1,
    spec: session.spec,
    ...defined({ sidecar, agent_session_id: session.agentSessionId, model: session.model }),
    permission_mode: session.permissionMode,
    ...(attendance?.isClosing ? { is_closing: true } : {}),
    ...endOf(entry),
    totals: { ...totals.usage, cost_usd: totals.costUsd ?? null, tool_calls: totals.toolCalls, turns: totals.turns },
  };
}

/** While anything of it is left, a next daemon is to find it live, and to end it for the same reason as we would have. */
function endOf({ session: { state }, attendance }: Entry): Pick<SessionRecord, "ended" | "stop_reason"> {
  if (state.at === "stopping") return { stop_reason: state.reason };
  if (state.at !== "ended") return {};
  if (attendance) return { stop_reason: state.reason };
  return { ended: { status: state.status, reason: state.reason, exit_code: state.exitCode, at: state.endedAt } };
}

export function totalsOf(record: SessionRecord): Totals {
  if (!record.totals) return noTotals;
  const { cost_usd, tool_calls, turns, ...usage } = record.totals;
  return { usage, costUsd: cost_usd ?? undefined, toolCalls: tool_calls, turns };
}
