/**
 * The text of the agent's messages: pieces as they stream, then the whole block. A block's whole text comes on a line of
 * its own (2.1.329: before the block's stop, and with the token counts of the message's start); one that was streamed
 * but never came whole was thrown away by the CLI, and is closed as superseded.
 */
import type { EventOf, Usage } from "../../src/protocol/event.ts";
import { BoundedMap, grown, streamsMax } from "../bounded-memory.ts";
import type { RawUsage, StreamEvent } from "./raw.ts";
import type { Delta } from "./text-delta.ts";

type MessageEvent = EventOf<"agent_message">;

interface Streaming {
  messageId: string;
  turnId: string;
  usage: RawUsage | undefined;
  /** The block that is being streamed. */
  openIndex: number | undefined;
  /** Streamed text by block, until the whole came. */
  unconfirmed: Map<number, string>;
}

/** A block that came whole, waiting for the counts that follow it. */
interface Held {
  event: MessageEvent;
  parent: string;
}

export interface WholeText {
  messageId: string;
  index: number;
  text: string;
  model: string | undefined;
  usage: RawUsage | undefined;
  turnId: string;
  parentId: string | undefined;
}

const main = "";

export class MessageText {
  readonly #streams = new Map<string, Streaming>();
  /** How many blocks of a message came whole without being streamed, by parent. */
  readonly #counts = new BoundedMap<{ messageId: string; next: number }>();
  #held: Held | undefined;

  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /** Undefined when too many are streamed at once. */
  delta(delta: Delta, turnId: string): MessageEvent | undefined {
    const parent = delta.parent ?? main;
    const stream =
      this.#streams.get(parent) ?? this.#open(parent, { messageId: "unannounced", turnId, usage: undefined });
    const text = stream?.unconfirmed.get(delta.index);
    const { texts, characters } = this.#kept();
    if (!stream || (text === undefined && texts >= streamsMax)) return undefined;
    stream.unconfirmed.set(delta.index, grown(text ?? "", delta.text, characters));
    const data: MessageEvent["data"] = {
      turn_id: stream.turnId,
      item_id: `${stream.messageId}:${delta.index}`,
      text: delta.text,
      delta: true,
    };
    if (delta.parent !== undefined) data.parent_id = delta.parent;
    return { type: "agent_message", data };
  }

  /** What a piece of thinking belongs to. */
  itemId(parent: string | undefined, index: number): string | undefined {
    const stream = this.#streams.get(parent ?? main);
    return stream && `${stream.messageId}:${index}`;
  }

  /** The lines around the pieces. Returns what they bring to an end. */
  frame({ event, parent_tool_use_id }: StreamEvent, turnId: string): MessageEvent[] {
    const parent = parent_tool_use_id ?? main;
    const stream = this.#streams.get(parent);
    switch (event.type) {
      case "message_start": {
        const lost = this.abandon(parent);
        this.#open(parent, {
          messageId: event.message?.id ?? "unannounced",
          turnId,
          usage: event.message?.usage ?? undefined,
        });
        return lost;
      }
      case "content_block_start":
        if (stream) stream.openIndex = event.index ?? 0;
        return [];
      case "message_delta":
        return this.release(
          stream?.usage && { ...stream.usage, output_tokens: event.usage?.output_tokens ?? stream.usage.output_tokens },
        );
      default:
        return [];
    }
  }

  /** The position of the next whole block of a message, whether it was streamed or not. */
  indexOf(messageId: string, parentId: string | undefined): number {
    const parent = parentId ?? main;
    const stream = this.#streams.get(parent);
    const counted = this.#counts.get(parent);
    const next = counted?.messageId === messageId ? counted.next : 0;
    const index = stream?.messageId === messageId ? (stream.openIndex ?? next) : next;
    if (stream?.messageId === messageId) stream.openIndex = undefined;
    this.#counts.set(parent, { messageId, next: index + 1 });
    return index;
  }

  /** A block that came whole. Empty blocks that were never streamed say nothing. */
  whole(block: WholeText): MessageEvent[] {
    const parent = block.parentId ?? main;
    const stream = this.#streams.get(parent);
    const isStreamed = stream?.messageId === block.messageId;
    if (isStreamed) stream.unconfirmed.delete(block.index);
    // Another message: what was streamed before it was thrown away.
    const before = isStreamed ? this.release(undefined) : this.abandon(parent);
    if (block.text === "" && !isStreamed) return before;
    const event: MessageEvent = {
      type: "agent_message",
      data: {
        turn_id: isStreamed ? stream.turnId : block.turnId,
        item_id: `${block.messageId}:${block.index}`,
        text: block.text,
        delta: false,
        ...(block.model === undefined ? {} : { model: block.model }),
        ...(block.parentId === undefined ? {} : { parent_id: block.parentId }),
      },
    };
    if (isStreamed) {
      this.#held = { event, parent };
      return before;
    }
    if (block.usage) event.data.usage = usageOf(block.usage);
    return [...before, event];
  }

  /** Lets go of the block that waits, with the counts when they have come. */
  release(usage: RawUsage | undefined): MessageEvent[] {
    const held = this.#held;
    if (!held) return [];
    this.#held = undefined;
    if (usage) held.event.data.usage = usageOf(usage);
    return [held.event];
  }

  /** Closes what was streamed and will not come whole any more. */
  abandon(parent: string | "all"): MessageEvent[] {
    const events = this.release(undefined);
    for (const [name, stream] of this.#streams) {
      if (parent !== "all" && parent !== name) continue;
      this.#streams.delete(name);
      for (const [index, text] of stream.unconfirmed) {
        const data: MessageEvent["data"] = {
          turn_id: stream.turnId,
          item_id: `${stream.messageId}:${index}`,
          text,
          delta: false,
          superseded: true,
        };
        if (name !== main) data.parent_id = name;
        events.push({ type: "agent_message", data });
      }
    }
    return events;
  }

  /** A subagent has ended: nothing of it will follow. */
  forget(parent: string): void {
    this.#counts.delete(parent);
  }

  #kept(): { texts: number; characters: number } {
    let [texts, characters] = [0, 0];
    for (const { unconfirmed } of this.#streams.values()) {
      texts += unconfirmed.size;
      for (const { length } of unconfirmed.values()) characters += length;
    }
    return { texts, characters };
  }

  #open(
    parent: string,
    start: { messageId: string; turnId: string; usage: RawUsage | undefined },
  ): Streaming | undefined {
    if (this.#streams.size >= streamsMax) return undefined;
    const stream: Streaming = { ...start, openIndex: undefined, unconfirmed: new Map() };
    this.#streams.set(parent, stream);
    return stream;
  }
}

/** The main agent's stream, as `abandon` names it. */
export const mainStream = main;

export function usageOf(raw: RawUsage): Usage {
  const { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens } = raw;
  return { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens };
}
