/** What the agents write and do: items of the app-server as text, reasoning and tool calls of the turn they belong to. */
import type { SessionEvent } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import { ToolCalls } from "../tool-calls.ts";
import { callOf, endOf, type ItemCall } from "./item-tool.ts";
import { MessageText } from "./message-text.ts";
import type { Item, RawItemLine } from "./raw.ts";
import { RawCalls } from "./raw-calls.ts";
import type { Delta } from "./text-delta.ts";

/** Where something was written or done. */
export interface Place {
  threadId: string;
  turnId: string;
  /** The call that began the sub-agent; undefined for the session's own thread. */
  parentId: string | undefined;
}

const startsMax = 1000;
const outputCharactersMax = 64 * 1024;

export class AgentOutput {
  readonly #text = new MessageText();
  readonly #tools = new ToolCalls();
  readonly #raw = new RawCalls();
  /** Calls as they were started: a question about one does not repeat what it is. */
  readonly #starts = new Map<string, ItemCall>();

  openTools(turnId: string): string[] {
    return this.#tools.openNames(turnId);
  }

  callOf(itemId: string | null | undefined): ItemCall | undefined {
    return itemId ? this.#starts.get(itemId) : undefined;
  }

  delta(delta: Delta, place: Place): SessionEvent[] {
    switch (delta.kind) {
      case "text":
        return this.#text.delta(delta, place);
      case "reasoning":
        if (delta.text === "") return [];
        return [
          progress(place.turnId, "reasoning", {
            text: delta.text,
            delta: true,
            item_id: delta.itemId,
            ...parentOf(place),
          }),
        ];
      case "output": {
        // Output of a command that outlived its turn belongs to the turn that started it.
        const turnId = this.#tools.turnOf(delta.itemId) ?? place.turnId;
        return [progress(turnId, "tool_output", { id: delta.itemId, text: delta.text, ...parentOf(place) })];
      }
      default:
        return delta.kind satisfies never;
    }
  }

  started(item: Item, place: Place, now: number): SessionEvent[] {
    if (item.type === "agentMessage") return this.#text.begin(place.threadId, item.id, place);
    const call = callOf(item);
    return call ? this.#startCall(item, call, place, now) : [];
  }

  completed(item: Item, place: Place & { model: string | undefined }, now: number): SessionEvent[] {
    switch (item.type) {
      case "agentMessage":
        return this.#text.whole({ ...place, itemId: item.id, text: item.text ?? "" }, place);
      case "reasoning": {
        const text = reasoningText(item);
        if (text === "") return [];
        return [progress(place.turnId, "reasoning", { text, delta: false, item_id: item.id, ...parentOf(place) })];
      }
      default:
        return this.#completedCall(item, place, now);
    }
  }

  /** A tool call that left no item. */
  rawItem({ item }: RawItemLine, place: Place, now: number): SessionEvent[] {
    const lost = this.#raw.seen(item, place.threadId);
    if (!lost) return [];
    const { id, tool, input, output, isError } = lost;
    const started = this.#tools.start({ id, tool, input, turnId: place.turnId, parentId: place.parentId }, now);
    if (started.length === 0) return [];
    const ended = this.#tools.end({ id, content: output, isError }, now);
    return ended ? [...started, ended] : started;
  }

  /** What is being written will not be finished: it begins anew, or was cut off. */
  textCut(threadId: string): SessionEvent[] {
    return this.#text.abandon(threadId);
  }

  turnEnded(turnId: string, threadId: string, now: number): SessionEvent[] {
    return [...this.#text.abandon(threadId), ...this.#tools.abandon({ turnId }, now)];
  }

  childEnded(parentId: string, threadId: string, now: number): SessionEvent[] {
    return [...this.#text.abandon(threadId), ...this.#tools.abandon({ parentId }, now)];
  }

  agentEnded(now: number): SessionEvent[] {
    return [...this.#text.abandon("all"), ...this.#tools.abandon("all", now)];
  }

  #startCall(item: Item, call: ItemCall, place: Place, now: number): SessionEvent[] {
    this.#raw.becameItem(item.id, place.threadId);
    this.#starts.set(item.id, call);
    const [oldest] = this.#starts.keys();
    if (this.#starts.size > startsMax && oldest !== undefined) this.#starts.delete(oldest);
    const { turnId, parentId } = place;
    return this.#tools.start({ id: item.id, ...call, turnId, parentId }, item.startedAtMs ?? now);
  }

  #completedCall(item: Item, place: Place, now: number): SessionEvent[] {
    const call = callOf(item);
    if (!call) return [];
    const isLate = this.#tools.turnOf(item.id) !== undefined;
    const begun = isLate ? [] : this.#startCall(item, call, place, now);
    const end = endOf(item);
    const result = this.#tools.end(end, item.completedAtMs ?? now);
    if (result) return [...begun, result];
    // It has a made-up result already; what it really came to is worth knowing.
    const text = typeof end.content === "string" ? end.content.slice(-outputCharactersMax) : "";
    const turnId = this.#tools.turnOf(item.id) ?? place.turnId;
    return [progress(turnId, "late_result", { id: item.id, text, is_error: end.isError, ...parentOf(place) })];
  }
}

export function parentOf({ parentId }: { parentId: string | undefined }): { parent_id?: string } {
  return parentId === undefined ? {} : { parent_id: parentId };
}

function reasoningText({ summary, content }: Item): string {
  const texts = (parts: readonly unknown[] | null | undefined) =>
    (parts ?? []).filter((part) => typeof part === "string").join("\n\n");
  return texts(summary) || texts(content);
}
