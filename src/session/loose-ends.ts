/** What a log leaves open when its sidecar died: calls without a result, text without its end. */
import type { SessionEvent } from "../protocol/event.ts";
import type { LogLine } from "../protocol/line.ts";
import { type Checkpoint, linesSince } from "./checkpoint.ts";
import type { StoredLog } from "./read-lines.ts";

/** A result is no sign that all before it was closed: it may be of a prompt that was taken back while another turn runs. */
export async function looseEndsOf(log: StoredLog, now: number, checkpoint?: Checkpoint): Promise<SessionEvent[]> {
  const ends = new LooseEnds();
  const wanted = /^\{"type":"(tool_use|tool_result|agent_message)"/;
  for await (const { line } of linesSince(log, checkpoint, wanted)) ends.add(line);
  return ends.close(now);
}

type CallLine = LogLine & { type: "tool_use" };
type TextLine = LogLine & { type: "agent_message" };

/** Keeps what is open, not what was read. */
export class LooseEnds {
  readonly #calls = new Map<string, CallLine>();
  readonly #items = new Map<string, TextLine>();

  add(line: LogLine): void {
    if (line.type === "tool_use") this.#calls.set(line.data.id, line);
    else if (line.type === "tool_result") this.#calls.delete(line.data.id);
    else if (line.type !== "agent_message") return;
    else if (line.data.delta) this.#items.set(line.data.item_id, line);
    else this.#items.delete(line.data.item_id);
  }

  /** The events that close it, in order: a `superseded` end for each item of text, a made-up result for each call. */
  close(now: number): SessionEvent[] {
    return [
      ...[...this.#items.values()].map(endOfText),
      ...[...this.#calls.values()].map((line) => endOfCall(line, now)),
    ];
  }
}

function endOfText({ data }: TextLine): SessionEvent {
  return {
    type: "agent_message",
    data: { turn_id: data.turn_id, item_id: data.item_id, text: "", delta: false, superseded: true, ...parentOf(data) },
  };
}

function endOfCall({ data, timestamp }: CallLine, now: number): SessionEvent {
  return {
    type: "tool_result",
    data: {
      turn_id: data.turn_id,
      id: data.id,
      name: data.name,
      output: "Made up by agentd: the session ended before this call reported a result.",
      is_error: true,
      duration_ms: Math.max(0, now - timestamp),
      synthetic: true,
      ...parentOf(data),
    },
  };
}

function parentOf({ parent_id }: { parent_id?: string | undefined }): { parent_id?: string } {
  return parent_id === undefined ? {} : { parent_id };
}
