/**
 * Sessions, turns and tools as spans, made from the few events that tell of a session's life. A span is made when it
 * ends: what an earlier daemon saw begin, this one can still tell. Never what was said: names, times and figures.
 */
import type { EventOf, SessionEvent } from "../protocol/event.ts";
import type { Session } from "../session/session.ts";
import { spanIdOf, traceOf } from "../session/trace-context.ts";
import type { SessionWatch } from "../session/watch.ts";

export interface FinishedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  isSampled: boolean;
  name: string;
  startMs: number;
  endMs: number;
  attributes: Record<string, string | number | boolean>;
  /** What went wrong, in a word. */
  fault: string | undefined;
}

/** Turns and tools of one session that are open at once; the oldest are forgotten, and begin when they ended. */
const openMax = 1000;

/** A watch that gives each span away as it ends. */
export function watchSpans(onSpan: (span: FinishedSpan) => void): SessionWatch {
  const starts = new Map<Session, Map<string, number>>();
  const begin = (session: Session, name: string, at: number) => {
    const open = starts.get(session);
    if (!open || open.has(name)) return;
    const [oldest] = open.keys();
    if (open.size >= openMax && oldest !== undefined) open.delete(oldest);
    open.set(name, at);
  };
  /** Without a beginning that was seen, the length that the agent told has to do. */
  const end = (session: Session, name: string, endMs: number, toldMs: number): { startMs: number; endMs: number } => {
    const open = starts.get(session);
    const startMs = open?.get(name) ?? endMs - Math.max(0, toldMs);
    open?.delete(name);
    return { startMs: Math.min(startMs, endMs), endMs };
  };
  const finish = (session: Session, span: Omit<FinishedSpan, "traceId" | "isSampled">) => {
    const { traceId, isSampled } = traceOf({ id: session.id, traceparent: session.spec.traceparent });
    if (isSampled) onSpan({ traceId, isSampled, ...span });
  };
  const told = (session: Session, event: SessionEvent, at: number): void => {
    switch (event.type) {
      case "user_message":
        if (event.data.kind === "prompt" && event.data.turn_id !== null)
          begin(session, `turn/${event.data.turn_id}`, at);
        return;
      case "tool_use":
        return begin(session, `tool/${event.data.id}`, at);
      case "tool_result":
        return finish(session, {
          ...toolSpan(session, event.data),
          ...end(session, `tool/${event.data.id}`, at, event.data.duration_ms),
        });
      case "result":
        return finish(session, {
          ...turnSpan(session, event.data),
          ...end(session, `turn/${event.data.turn_id}`, at, event.data.duration_ms),
        });
      default:
        return undefined;
    }
  };
  return {
    opened: (session) => void starts.set(session, new Map()),
    launched: () => undefined,
    begun: () => undefined,
    told,
    paused: () => undefined,
    ended: (session) => {
      starts.delete(session);
      finish(session, sessionSpan(session));
    },
    released: (session) => void starts.delete(session),
  };
}

type Made = Omit<FinishedSpan, "traceId" | "isSampled" | "startMs" | "endMs">;

function toolSpan(session: Session, { id, name, turn_id, is_error, parent_id }: EventOf<"tool_result">["data"]): Made {
  return {
    spanId: spanIdOf(session.id, `tool/${id}`),
    parentSpanId: spanIdOf(session.id, parent_id === undefined ? `turn/${turn_id}` : `tool/${parent_id}`),
    name: `execute_tool ${name}`,
    attributes: {
      ...common(session),
      "agentruntime.turn.id": turn_id,
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": name,
      "gen_ai.tool.call.id": id,
    },
    fault: is_error ? "tool_error" : undefined,
  };
}

const faults = new Set(["error", "aborted", "limit"]);

function turnSpan(session: Session, result: EventOf<"result">["data"]): Made {
  const { turn_id, status, usage, cost_usd, model, error_category } = result;
  return {
    spanId: spanIdOf(session.id, `turn/${turn_id}`),
    parentSpanId: spanIdOf(session.id),
    name: "turn",
    attributes: {
      ...common(session),
      "agentruntime.turn.id": turn_id,
      "agentruntime.turn.status": status,
      "gen_ai.usage.input_tokens": usage.input_tokens,
      "gen_ai.usage.output_tokens": usage.output_tokens,
      ...(cost_usd === null ? {} : { "agentruntime.cost_usd": cost_usd }),
      ...(model === undefined ? {} : { "gen_ai.response.model": model }),
      ...(error_category === undefined ? {} : { "error.type": error_category }),
    },
    fault: faults.has(status) ? (error_category ?? status) : undefined,
  };
}

function sessionSpan(session: Session): Omit<FinishedSpan, "traceId" | "isSampled"> {
  const { id, spec, state, totals } = session;
  const end = state.at === "ended" ? state : undefined;
  return {
    spanId: spanIdOf(id),
    parentSpanId: traceOf({ id, traceparent: spec.traceparent }).parentSpanId,
    name: `invoke_agent ${spec.agent}`,
    startMs: spec.created_at,
    endMs: Math.max(spec.created_at, end?.endedAt ?? spec.created_at),
    attributes: {
      ...common(session),
      "gen_ai.operation.name": "invoke_agent",
      "gen_ai.usage.input_tokens": totals.usage.input_tokens,
      "gen_ai.usage.output_tokens": totals.usage.output_tokens,
      "agentruntime.turn_count": totals.turns,
      "agentruntime.tool_call_count": totals.toolCalls,
      ...(totals.costUsd === undefined ? {} : { "agentruntime.cost_usd": totals.costUsd }),
      ...(end ? { "agentruntime.end_reason": end.reason, "agentruntime.exit_code": end.exitCode } : {}),
    },
    fault: end?.status === "failed" ? end.reason : undefined,
  };
}

function common({ id, spec }: Session): Record<string, string> {
  return {
    "session.id": id,
    "gen_ai.agent.name": spec.agent,
    "agentruntime.runtime": spec.runtime,
    ...(spec.name === undefined ? {} : { "agentruntime.session.name": spec.name }),
    ...(spec.task_id === undefined ? {} : { "agentruntime.task_id": spec.task_id }),
  };
}
