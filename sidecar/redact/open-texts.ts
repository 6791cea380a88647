/** The texts of an agent that come as pieces in events of their own, each closed when its whole has come or its turn is over. */
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SecretWords } from "./secret-words.ts";
import { TextStream } from "./text-stream.ts";

/** A piece of a text, and which text it is a piece of. */
export interface Piece {
  of: string;
  text: string;
  /** It is the first again: what came before it is over. */
  isAnew: boolean;
}

interface OpenText {
  stream: TextStream;
  last: SessionEvent;
}

/** Longer ago begun ones are taken for over. */
const openMax = 1000;

export class OpenTexts {
  readonly #words: SecretWords;
  readonly #open = new Map<string, OpenText>();

  constructor(words: SecretWords) {
    this.#words = words;
  }

  /** The text that can be told in place of the piece's. */
  take({ of, text }: Piece, event: SessionEvent, isSuspect: boolean): string {
    let open = this.#open.get(of);
    if (open) open.last = event;
    else {
      open = { stream: new TextStream(this.#words), last: event };
      this.#open.set(of, open);
    }
    return open.stream.push(text, isSuspect);
  }

  /** The text is over: what of it was still waiting, as one more piece. */
  close(of: string): SessionEvent[] {
    const open = this.#open.get(of);
    if (!open) return [];
    this.#open.delete(of);
    const rest = open.stream.end();
    return rest === "" ? [] : [withText(open.last, rest)];
  }

  closeOldest(): SessionEvent[] {
    const [oldest] = this.#open.keys();
    return this.#open.size > openMax && oldest !== undefined ? this.close(oldest) : [];
  }

  closeAll(): SessionEvent[] {
    return [...this.#open.keys()].flatMap((of) => this.close(of));
  }
}

/** Undefined for an event that is no piece of a longer text. On the way of every event, so it looks at little. */
export function pieceOf(event: SessionEvent): Piece | undefined {
  if (event.type === "agent_message") {
    const { item_id, text, delta } = event.data;
    return delta ? { of: item_id, text, isAnew: false } : undefined;
  }
  if (event.type !== "progress") return undefined;
  const { kind, text, delta } = event.data;
  if (typeof text !== "string") return undefined;
  if (kind === "tool_output") return { of: String(event.data["id"]), text, isAnew: delta === false };
  return kind === "reasoning" && delta === true ? { of: thoughtOf(event.data), text, isAnew: false } : undefined;
}

/** Which text ends with this event; `all` with a turn. */
export function closedBy({ type, data }: SessionEvent): string | "all" | undefined {
  switch (type) {
    case "agent_message":
      return data.item_id;
    case "tool_result":
      return data.id;
    case "progress":
      return data.kind === "reasoning" ? thoughtOf(data) : undefined;
    case "result":
    case "exit":
      return "all";
    default:
      return undefined;
  }
}

export function withText(event: SessionEvent, text: string): SessionEvent {
  if (event.type === "agent_message") return { type: "agent_message", data: { ...event.data, text } };
  return event.type === "progress" ? { type: "progress", data: { ...event.data, text } } : event;
}

function thoughtOf(data: Readonly<Record<string, unknown>>): string {
  return `thought ${String(data["item_id"] ?? data["parent_id"] ?? "")}`;
}
