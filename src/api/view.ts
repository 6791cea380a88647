/** A session as the routes show it. */

import { existsSync } from "node:fs";
import type { FastifyRequest } from "fastify";
import { defined } from "../protocol/defined.ts";
import type { HistoryEntry, SessionInfo, SessionView } from "../protocol/http.ts";
import { SessionStatus } from "../protocol/session.ts";
import { sessionHome } from "../session/home.ts";
import { packedPath } from "../session/packed-log.ts";
import type { SessionRow } from "../store/store.ts";
import { foreignLog } from "../supervisor/foreign-logs.ts";
import type { Listed } from "../supervisor/listing.ts";
import { prefixOf } from "./mounted.ts";

export function viewOf({ row, entry, spec, unreadable }: Listed, dataDir: string): SessionView {
  const { attendance, session } = entry ?? {};
  const status = SessionStatus.parse(row.status);
  const home = sessionHome(dataDir, row.id);
  const hasTotals = row.turns > 0 || row.tool_calls > 0;
  const agent = row.agent ?? "";
  const runtime = row.runtime ?? "";
  return {
    session_id: row.id,
    id: row.id,
    agent,
    agent_name: agent,
    runtime,
    runtime_name: runtime,
    status,
    state: status,
    interactive: row.interactive,
    created_at: isoOf(row.created_at ?? 0),
    work_dir: row.work_dir ?? "",
    agent_home: row.agent_home ?? "user",
    session_dir: home.dir,
    log_file: attendance ? home.log : fileThere(home.log),
    log_bytes: row.log_bytes,
    last_seq: row.last_seq,
    permission_mode: row.permission_mode ?? "autonomous",
    inputs: attendance && session ? [...session.inputs.open] : [],
    queue: attendance?.queued ?? [],
    turn_count: row.turns,
    ...(Object.keys(row.tags).length > 0 ? { tags: { ...row.tags } } : {}),
    ...(hasTotals
      ? { input_tokens: row.input_tokens, output_tokens: row.output_tokens, tool_call_count: row.tool_calls }
      : {}),
    ...defined({
      end_reason: row.end_reason ?? undefined,
      exit_code: row.exit_code ?? undefined,
      ended_at: row.ended_at === null ? undefined : isoOf(row.ended_at),
      task_id: row.task_id ?? undefined,
      name: row.name ?? undefined,
      activity: attendance?.activity,
      last_activity: row.last_activity === null ? undefined : isoOf(row.last_activity),
      model: row.model ?? undefined,
      agent_session_id: row.agent_session_id ?? undefined,
      turn_id: attendance?.openTurn,
      cost_usd: row.cost_usd ?? undefined,
      unreadable,
      traceparent: spec?.traceparent,
      resources: spec?.resources,
    }),
  };
}

export function infoOf(listed: Listed, dataDir: string, request: FastifyRequest): SessionInfo {
  const { id, created_at, ended_at } = listed.row;
  const upMs = (ended_at ?? Date.now()) - (created_at ?? 0);
  return { ...viewOf(listed, dataDir), ...urlsOf(id, request), uptime: uptime(upMs) };
}

export function historyEntryOf(row: SessionRow, dataDir: string): HistoryEntry {
  const isForeign = row.standing === "foreign";
  const hasTotals = row.agent !== null;
  return {
    session_id: row.id,
    log_file: isForeign ? foreignLog(dataDir, row.id) : fileThere(sessionHome(dataDir, row.id).log),
    file_size: row.log_bytes,
    ...(hasTotals
      ? { input_tokens: row.input_tokens, output_tokens: row.output_tokens, tool_calls: row.tool_calls }
      : {}),
    ...defined({
      agent: row.agent ?? undefined,
      status: row.status ?? undefined,
      created_at: row.created_at === null ? undefined : isoOf(row.created_at),
      ended_at: row.ended_at === null ? undefined : isoOf(row.ended_at),
      exit_code: row.exit_code ?? undefined,
      cost_usd: row.cost_usd ?? undefined,
    }),
  };
}

/** A policy may have compressed it; the plain one counts while it is there. */
function fileThere(log: string): string {
  return !existsSync(log) && existsSync(packedPath(log)) ? packedPath(log) : log;
}

export function urlsOf(id: string, request: FastifyRequest): { ws_url: string; log_url: string } {
  const host = request.headers.host ?? "localhost";
  const base = `${host}${prefixOf(request.raw)}`;
  return { ws_url: `ws://${base}/ws/sessions/${id}`, log_url: `http://${base}/sessions/${id}/logs` };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** Whole seconds: `42s`, `3m5s`, `1h0m9s`. */
function uptime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${h}h${m}m${s}s`;
  return m > 0 ? `${m}m${s}s` : `${s}s`;
}
