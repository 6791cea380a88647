/**
 * What the agent says and thinks, which comes in pieces without an end: a piece of another message, another kind of
 * update or the end of the turn closes what is open with its whole text.
 */
import type { SessionEvent } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import type { Chunk } from "./chunk.ts";

interface Open {
  kind: Chunk["kind"];
  messageId: string | undefined;
  itemId: string;
  turnId: string;
  text: string;
}

/** A text longer than this is closed and goes on as another item, so that its whole never outgrows memory. */
const textCharactersMax = 4 * 1024 * 1024;

export class OpenText {
  #open: Open | undefined;
  #count = 0;
  #lastMessage: string | undefined;

  /** The last whole message since `forget`. */
  get lastMessage(): string | undefined {
    return this.#lastMessage;
  }

  forget(): void {
    this.#lastMessage = undefined;
  }

  add(chunk: Chunk, turnId: string): { closed: SessionEvent | undefined; piece: SessionEvent } {
    const { kind, text, messageId } = chunk;
    let open = this.#open;
    const isSame = open?.kind === kind && open.messageId === messageId && open.turnId === turnId;
    const fits = open !== undefined && open.text.length + text.length <= textCharactersMax;
    let closed: SessionEvent | undefined;
    if (!open || !isSame || !fits) {
      closed = this.close();
      this.#count++;
      // Numbered, because a message may go on after a tool call under the name it had.
      open = { kind, messageId, itemId: `${messageId ?? "item"}:${this.#count}`, turnId, text: "" };
      this.#open = open;
    }
    open.text += text;
    return { closed, piece: eventOf(open, text, true) };
  }

  close(): SessionEvent | undefined {
    const open = this.#open;
    if (!open) return undefined;
    this.#open = undefined;
    if (open.kind === "text") this.#lastMessage = open.text;
    return eventOf(open, open.text, false);
  }
}

function eventOf({ kind, turnId, itemId }: Open, text: string, delta: boolean): SessionEvent {
  if (kind === "thought") return progress(turnId, "reasoning", { text, delta, item_id: itemId });
  return { type: "agent_message", data: { turn_id: turnId, item_id: itemId, text, delta } };
}
