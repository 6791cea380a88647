/** Text and reasoning of the agent: deltas as they come, then the whole; what is never confirmed is closed. */
import type { SessionEvent } from "../../src/protocol/event.ts";
import { BoundedMap, grown, streamsMax } from "../bounded-memory.ts";
import { progress } from "../facts.ts";
import { parentOf, type Whereabouts } from "./places.ts";
import type { TextPart } from "./raw.ts";

/** Where a part belongs. */
export interface Place extends Whereabouts {
  model: string | undefined;
}

interface OpenPart extends Place {
  kind: TextPart["type"];
  messageId: string;
  text: string;
}

export class TextParts {
  readonly #open = new Map<string, OpenPart>();
  readonly #closed = new BoundedMap<true>();

  /** The whole text when the part is complete; nothing while it is only begun. */
  update(part: TextPart, place: Place): { event?: SessionEvent; wholeText?: string } {
    if (this.#closed.has(part.id)) return {};
    const isDone = typeof part.time?.end === "number";
    const open = this.#open.get(part.id);
    if (!isDone) {
      if (!open && this.#open.size < streamsMax)
        this.#open.set(part.id, { ...place, kind: part.type, messageId: part.messageID, text: "" });
      return {};
    }
    this.#open.delete(part.id);
    this.#closed.set(part.id, true);
    const { text } = part;
    if (text === "" && !open?.text) return {};
    const at = open ?? place;
    if (part.type === "reasoning") {
      return { event: progress(at.turnId, "reasoning", { text, delta: false, item_id: part.id, ...parentOf(at) }) };
    }
    const model = place.model === undefined ? {} : { model: place.model };
    const data = { turn_id: at.turnId, item_id: part.id, text, delta: false, ...model, ...parentOf(at) };
    return { event: { type: "agent_message", data }, ...(at.parentId === undefined ? { wholeText: text } : {}) };
  }

  /** Undefined also when too many are streamed at once. */
  delta(delta: { partID: string; messageID: string; delta: string }, place: Place): SessionEvent | undefined {
    if (delta.delta === "" || this.#closed.has(delta.partID)) return undefined;
    if (!this.#open.has(delta.partID) && this.#open.size >= streamsMax) return undefined;
    const open = this.#open.get(delta.partID) ?? { ...place, kind: "text", messageId: delta.messageID, text: "" };
    open.text = grown(open.text, delta.delta, this.#kept());
    this.#open.set(delta.partID, open);
    const { turnId, kind } = open;
    if (kind === "reasoning") {
      return progress(turnId, "reasoning", {
        text: delta.delta,
        delta: true,
        item_id: delta.partID,
        ...parentOf(open),
      });
    }
    return {
      type: "agent_message",
      data: { turn_id: turnId, item_id: delta.partID, text: delta.delta, delta: true, ...parentOf(open) },
    };
  }

  /** Characters of all that is streamed. */
  #kept(): number {
    let characters = 0;
    for (const { text } of this.#open.values()) characters += text.length;
    return characters;
  }

  /** Closes what will not come whole any more: of a message that is tried again, of a turn, or all. */
  abandon(which: { messageId: string } | { turnId: string } | "all"): SessionEvent[] {
    const events: SessionEvent[] = [];
    for (const [id, open] of this.#open) {
      if (which !== "all" && ("messageId" in which ? open.messageId !== which.messageId : open.turnId !== which.turnId))
        continue;
      this.#open.delete(id);
      this.#closed.set(id, true);
      if (open.kind === "reasoning" || open.text === "") continue;
      const data = { turn_id: open.turnId, item_id: id, text: open.text, delta: false, ...parentOf(open) };
      events.push({ type: "agent_message", data: { ...data, superseded: true } });
    }
    return events;
  }
}
