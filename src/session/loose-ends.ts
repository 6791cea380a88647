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

interface OpenCall extends Pick<CallLine["data"], "turn_id" | "id" | "name" | "parent_id"> {
  startedAt: number;
}
type OpenText = Pick<TextLine["data"], "turn_id" | "item_id" | "parent_id">;

/**
 * Keeps what is open, not what was read: of a call what its end needs, without what it was given. A sidecar leaves no
 * more of each open than it follows itself (`openMax`, `streamsMax`).
 */
export class LooseEnds {
  readonly #calls = new Map<string, OpenCall>();
  readonly #items = new Map<string, OpenText>();

  add(line: LogLine): void {
    if (line.type === "tool_use") this.#calls.set(line.data.id, openCallOf(line));
    else if (line.type === "tool_result") this.#calls.delete(line.data.id);
    else if (line.type !== "agent_message") return;
    else if (line.data.delta) this.#items.set(line.data.item_id, openTextOf(line));
    else this.#items.delete(line.data.item_id);
  }

  /** The events that close it, in order: a `superseded` end for each item of text, a made-up result for each call. */
  close(now: number): SessionEvent[] {
    return [
      ...[...this.#items.values()].map(endOfText),
      ...[...this.#calls.values()].map((call) => endOfCall(call, now)),
    ];
  }
}

function openCallOf({ data: { turn_id, id, name, parent_id }, timestamp }: CallLine): OpenCall {
  return { turn_id, id, name, parent_id, startedAt: timestamp };
}

function openTextOf({ data: { turn_id, item_id, parent_id } }: TextLine): OpenText {
  return { turn_id, item_id, parent_id };
}

function endOfText(text: OpenText): SessionEvent {
  return {
    type: "agent_message",
    data: { turn_id: text.turn_id, item_id: text.item_id, text: "", delta: false, superseded: true, ...parentOf(text) },
  };
}

function endOfCall(call: OpenCall, now: number): SessionEvent {
  return {
    type: "tool_result",
    data: {
      turn_id: call.turn_id,
      id: call.id,
      name: call.name,
      output: "Made up by agentd: the session ended before this call reported a result.",
      is_error: true,
      duration_ms: Math.max(0, now - call.startedAt),
      synthetic: true,
      ...parentOf(call),
    },
  };
}

function parentOf({ parent_id }: { parent_id?: string | undefined }): { parent_id?: string } {
  return parent_id === undefined ? {} : { parent_id };
}
