/** What a log leaves open when its sidecar died: calls without a result, text without its end. */
import type { SessionEvent } from "../protocol/event.ts";
import type { LogLine } from "../protocol/line.ts";
import { readLines } from "./read-lines.ts";
import type { Session } from "./session.ts";

/** What the lines since the last result leave open: earlier turns were closed by their own agent. */
export async function looseEndsOf(session: Session, now: number): Promise<SessionEvent[]> {
  const lines: LogLine[] = [];
  for await (const line of readLines(session, /^\{"type":"(tool_use|tool_result|agent_message|result)"/)) {
    if (line.type === "result") lines.length = 0;
    else lines.push(line);
  }
  return closeLooseEnds(lines, now);
}

/**
 * The events that close what `lines` left open, in order: a made-up result for each tool call, a `superseded`
 * end for each item of text that only has deltas.
 */
export function closeLooseEnds(lines: readonly LogLine[], now: number): SessionEvent[] {
  const calls = new Map<string, LogLine & { type: "tool_use" }>();
  const items = new Map<string, LogLine & { type: "agent_message" }>();
  for (const line of lines) {
    if (line.type === "tool_use") calls.set(line.data.id, line);
    else if (line.type === "tool_result") calls.delete(line.data.id);
    else if (line.type === "agent_message") {
      if (line.data.delta) items.set(line.data.item_id, line);
      else items.delete(line.data.item_id);
    }
  }
  const parent = (line: { data: { parent_id?: string | undefined } }) =>
    line.data.parent_id === undefined ? {} : { parent_id: line.data.parent_id };
  return [
    ...[...items.values()].map(
      (line): SessionEvent => ({
        type: "agent_message",
        data: {
          turn_id: line.data.turn_id,
          item_id: line.data.item_id,
          text: "",
          delta: false,
          superseded: true,
          ...parent(line),
        },
      }),
    ),
    ...[...calls.values()].map(
      (line): SessionEvent => ({
        type: "tool_result",
        data: {
          turn_id: line.data.turn_id,
          id: line.data.id,
          name: line.data.name,
          output: "Made up by agentd: the session ended before this call reported a result.",
          is_error: true,
          duration_ms: Math.max(0, now - line.timestamp),
          synthetic: true,
          ...parent(line),
        },
      }),
    ),
  ];
}
