/**
 * Where a session stands in somebody's trace (W3C trace context). Ids are made from the session's own, so that a next
 * daemon goes on with the same ones and nothing of it has to be kept. Pure.
 */
import { createHash } from "node:crypto";

export interface TraceContext {
  traceId: string;
  /** The caller's span. */
  parentSpanId: string | undefined;
  isSampled: boolean;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** The header as it came, when it is one: what is malformed is ignored, as the standard asks. */
export function readTraceparent(header: string | undefined): string | undefined {
  const text = header?.trim() ?? "";
  return text.length <= 128 && contextOf(text) ? text : undefined;
}

/** The trace of a session: its caller's, else one of its own. */
export function traceOf(session: { id: string; traceparent: string | undefined }): TraceContext {
  const given = session.traceparent === undefined ? undefined : contextOf(session.traceparent);
  return given ?? { traceId: digest(`trace/${session.id}`, 32), parentSpanId: undefined, isSampled: true };
}

/** The id of a span of a session: the session's own without a name, else of a turn or tool. */
export function spanIdOf(sessionId: string, name = ""): string {
  return digest(`span/${sessionId}/${name}`, 16);
}

/** The header that makes whoever gets it a child of the session's span. */
export function traceparentOf(session: { id: string; traceparent: string | undefined }): string {
  const { traceId, isSampled } = traceOf(session);
  return `00-${traceId}-${spanIdOf(session.id)}-${isSampled ? "01" : "00"}`;
}

function contextOf(text: string): TraceContext | undefined {
  const found = pattern.exec(text);
  if (!found) return undefined;
  const [, version = "", traceId = "", parentSpanId = "", flags = "00"] = found;
  const isVoid = version === "ff" || /^0+$/.test(traceId) || /^0+$/.test(parentSpanId);
  if (isVoid || (version === "00" && text.length !== 55)) return undefined;
  return { traceId, parentSpanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

function digest(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}
