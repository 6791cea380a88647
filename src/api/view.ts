/** A session as the routes show it. */

import type { FastifyRequest } from "fastify";
import { defined } from "../protocol/defined.ts";
import type { SessionInfo, SessionView } from "../protocol/http.ts";
import { statusOf } from "../session/lifecycle.ts";
import type { Entry } from "../supervisor/entry.ts";

export function viewOf({ session, attendance }: Entry): SessionView {
  const { spec, state, totals } = session;
  const status = statusOf(state);
  const hasTotals = totals.turns > 0 || totals.toolCalls > 0;
  return {
    session_id: session.id,
    id: session.id,
    agent: spec.agent,
    agent_name: spec.agent,
    runtime: spec.runtime,
    runtime_name: spec.runtime,
    status,
    state: status,
    interactive: spec.interactive,
    created_at: new Date(spec.created_at).toISOString(),
    work_dir: spec.work_dir,
    agent_home: spec.agent_home,
    session_dir: session.home.dir,
    log_file: session.home.log,
    log_bytes: session.end,
    last_seq: session.seq,
    permission_mode: session.permissionMode,
    inputs: attendance ? [...session.inputs.open] : [],
    queue: attendance?.queued ?? [],
    turn_count: totals.turns,
    ...(Object.keys(spec.tags).length > 0 ? { tags: spec.tags } : {}),
    ...(state.at === "ended"
      ? { end_reason: state.reason, exit_code: state.exitCode, ended_at: new Date(state.endedAt).toISOString() }
      : {}),
    ...(hasTotals
      ? {
          input_tokens: totals.usage.input_tokens,
          output_tokens: totals.usage.output_tokens,
          tool_call_count: totals.toolCalls,
        }
      : {}),
    ...defined({
      task_id: spec.task_id,
      name: spec.name,
      activity: attendance?.activity,
      last_activity: session.lastActivity === undefined ? undefined : new Date(session.lastActivity).toISOString(),
      model: session.model ?? spec.model,
      agent_session_id: session.agentSessionId,
      turn_id: attendance?.openTurn,
      cost_usd: totals.costUsd,
    }),
  };
}

export function infoOf(entry: Entry, request: FastifyRequest): SessionInfo {
  const { spec, state } = entry.session;
  const until = state.at === "ended" ? state.endedAt : Date.now();
  return { ...viewOf(entry), ...urlsOf(entry.session.id, request), uptime: uptime(until - spec.created_at) };
}

export function urlsOf(id: string, request: FastifyRequest): { ws_url: string; log_url: string } {
  const host = request.headers.host ?? "localhost";
  return { ws_url: `ws://${host}/ws/sessions/${id}`, log_url: `http://${host}/sessions/${id}/logs` };
}

/** Whole seconds: `42s`, `3m5s`, `1h0m9s`. */
function uptime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}
