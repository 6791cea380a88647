/** Text of the agents: pieces, then the whole. A thread writes one message at a time; one that another cuts off is superseded. */
import type { EventOf } from "../../src/protocol/event.ts";
import { grown, streamsMax } from "../bounded-memory.ts";

type MessageEvent = EventOf<"agent_message">;

export interface TextPlace {
  turnId: string;
  parentId: string | undefined;
}

interface OpenText {
  itemId: string;
  text: string;
  place: TextPlace;
}

/** Ids remembered after their end, so that a line printed twice does not make a second message. */
const endedMax = 10_000;

export class MessageText {
  /** By thread. */
  readonly #open = new Map<string, OpenText>();
  readonly #ended = new Set<string>();

  delta(delta: { threadId: string; itemId: string; text: string }, place: TextPlace): MessageEvent[] {
    if (delta.text === "" || this.#ended.has(delta.itemId)) return [];
    const events = this.begin(delta.threadId, delta.itemId, place);
    const open = this.#open.get(delta.threadId);
    // Too many are streamed at once.
    if (!open) return events;
    open.text = grown(open.text, delta.text, this.#kept());
    const { turnId, parentId } = open.place;
    const data: MessageEvent["data"] = { turn_id: turnId, item_id: delta.itemId, text: delta.text, delta: true };
    if (parentId !== undefined) data.parent_id = parentId;
    events.push({ type: "agent_message", data });
    return events;
  }

  /** A message begins; returns what it cut off. */
  begin(threadId: string, itemId: string, place: TextPlace): MessageEvent[] {
    if (this.#open.get(threadId)?.itemId === itemId || this.#ended.has(itemId)) return [];
    const cut = this.abandon(threadId);
    if (this.#open.size < streamsMax) this.#open.set(threadId, { itemId, text: "", place });
    return cut;
  }

  whole(
    message: { threadId: string; itemId: string; text: string; model: string | undefined },
    place: TextPlace,
  ): MessageEvent[] {
    const { threadId, itemId, text, model } = message;
    if (this.#ended.has(itemId)) return [];
    const open = this.#open.get(threadId);
    const isOpen = open?.itemId === itemId;
    const before = isOpen ? [] : this.abandon(threadId);
    this.#end(threadId, itemId);
    if (text === "" && (!isOpen || open.text === "")) return before;
    const { turnId, parentId } = isOpen ? open.place : place;
    const data: MessageEvent["data"] = { turn_id: turnId, item_id: itemId, text, delta: false };
    if (model !== undefined) data.model = model;
    if (parentId !== undefined) data.parent_id = parentId;
    return [...before, { type: "agent_message", data }];
  }

  /** Closes what was streamed and will not come whole any more. */
  abandon(threadId: string | "all"): MessageEvent[] {
    if (threadId === "all") return [...this.#open.keys()].flatMap((id) => this.abandon(id));
    const open = this.#open.get(threadId);
    if (!open) return [];
    this.#end(threadId, open.itemId);
    if (open.text === "") return [];
    const { turnId, parentId } = open.place;
    const data: MessageEvent["data"] = {
      turn_id: turnId,
      item_id: open.itemId,
      text: open.text,
      delta: false,
      superseded: true,
    };
    if (parentId !== undefined) data.parent_id = parentId;
    return [{ type: "agent_message", data }];
  }

  /** Characters of all that is streamed. */
  #kept(): number {
    let characters = 0;
    for (const { text } of this.#open.values()) characters += text.length;
    return characters;
  }

  #end(threadId: string, itemId: string): void {
    this.#open.delete(threadId);
    this.#ended.add(itemId);
    const [oldest] = this.#ended;
    if (this.#ended.size > endedMax && oldest !== undefined) this.#ended.delete(oldest);
  }
}
