/** A session as the supervisor holds it, and what of it is kept on disk. */
import { defined } from "../protocol/defined.ts";
import type { SidecarAddress } from "../runtime/runtime.ts";
import { statusOf } from "../session/lifecycle.ts";
import type { SessionRecord } from "../session/record.ts";
import type { Session } from "../session/session.ts";
import { storedTotals } from "../session/totals.ts";
import type { SessionRow } from "../store/store.ts";
import type { Attendance } from "./attendance.ts";

/** A session, with its attendance while it is live. */
export interface Entry {
  readonly session: Session;
  attendance: Attendance | undefined;
  sidecar: SidecarAddress | undefined;
  /** Writes of the record go one after the other. */
  saving: Promise<void>;
}

/** One that only its folder is left of. */
export function endedEntry(session: Session): Entry {
  return { session, attendance: undefined, sidecar: undefined, saving: Promise.resolve() };
}

export function recordOf(entry: Entry): SessionRecord {
  const { session, sidecar, attendance } = entry;
  return {
    version: 1,
    spec: session.spec,
    ...defined({ sidecar, agent_session_id: session.agentSessionId, model: session.model }),
    permission_mode: session.permissionMode,
    ...(session.wasMet ? { was_met: true } : {}),
    ...(attendance?.isClosing ? { is_closing: true } : {}),
    ...endOf(entry),
    totals: storedTotals(session.totals),
    ...(attendance ? defined({ checkpoint: session.checkpoint }) : {}),
  };
}

/** While anything of it is left, a next daemon is to find it live, and to end it for the same reason as we would have. */
function endOf({ session: { state }, attendance }: Entry): Pick<SessionRecord, "ended" | "stop_reason"> {
  if (state.at === "stopping") return { stop_reason: state.reason };
  if (state.at !== "ended") return {};
  if (attendance) return { stop_reason: state.reason };
  return { ended: { status: state.status, reason: state.reason, exit_code: state.exitCode, at: state.endedAt } };
}

/** The session as the index holds it. */
export function rowOf({ session, attendance }: Entry): SessionRow {
  const { spec, state, totals } = session;
  const hasEnded = state.at === "ended";
  return {
    id: session.id,
    standing: hasEnded && !attendance ? "ended" : "live",
    name: spec.name ?? null,
    task_id: spec.task_id ?? null,
    agent: spec.agent,
    runtime: spec.runtime,
    status: statusOf(state),
    interactive: spec.interactive,
    work_dir: spec.work_dir,
    agent_home: spec.agent_home,
    home_of: spec.home_of,
    permission_mode: session.permissionMode,
    model: session.model ?? spec.model ?? null,
    agent_session_id: session.agentSessionId ?? null,
    tags: spec.tags,
    created_at: spec.created_at,
    ended_at: hasEnded ? state.endedAt : null,
    last_activity: session.lastActivity ?? null,
    end_reason: hasEnded ? state.reason : null,
    exit_code: hasEnded ? state.exitCode : null,
    log_bytes: session.end,
    last_seq: session.seq,
    turns: totals.turns,
    tool_calls: totals.toolCalls,
    input_tokens: totals.usage.input_tokens,
    output_tokens: totals.usage.output_tokens,
    cost_usd: totals.costUsd ?? null,
  };
}
