/** What the agent writes and does: its text, its thinking and its tool calls, as events of the turn they belong to. */
import type { SessionEvent } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import { ToolCalls } from "../tool-calls.ts";
import { MessageText, mainStream } from "./message-text.ts";
import { type AssistantLine, type Block, type StreamEvent, ToolResultBlock, type UserLine } from "./raw.ts";
import { todoProgress } from "./session-facts.ts";
import type { Delta } from "./text-delta.ts";
import { toolNameOf } from "./tool-name.ts";

interface Place {
  index: number;
  turnId: string;
  parentId: string | undefined;
  message: AssistantLine["message"];
  now: number;
}

export class AgentOutput {
  readonly #text = new MessageText();
  readonly #tools = new ToolCalls();

  /** A whole text waits for the counts behind it. */
  get isHolding(): boolean {
    return this.#text.isHolding;
  }

  release(): SessionEvent[] {
    return this.#text.release(undefined);
  }

  /** The main agent's calls that run in this turn. */
  openTools(turnId: string): string[] {
    return this.#tools.openNames(turnId);
  }

  /** The turn in which a tool was called. */
  turnOfCall(id: string): string | undefined {
    return this.#tools.turnOf(id);
  }

  /** The subagent's call that an open call was made under. */
  parentOfCall(id: string): string | undefined {
    return this.#tools.parentOf(id);
  }

  delta(delta: Delta, turnId: string): SessionEvent | undefined {
    if (delta.kind === "text") return this.#text.delta(delta, turnId);
    if (delta.text === "") return undefined;
    const item_id = this.#text.itemId(delta.parent, delta.index);
    const data = { text: delta.text, delta: true, ...(item_id ? { item_id } : {}), ...parentOf(delta.parent) };
    return progress(turnId, "reasoning", data);
  }

  frame(line: StreamEvent, turnId: string): SessionEvent[] {
    return this.#text.frame(line, turnId);
  }

  assistant(line: AssistantLine, turnId: string, now: number): SessionEvent[] {
    const { message } = line;
    const parentId = line.parent_tool_use_id ?? undefined;
    return message.content.flatMap((block) => {
      const index = this.#text.indexOf(message.id, parentId);
      return this.#block(block, { index, turnId, parentId, message, now });
    });
  }

  /** Results of calls; `isStray` when a result belongs to no call that was ever seen. */
  user({ message }: UserLine, now: number): { events: SessionEvent[]; isStray: boolean } {
    const events: SessionEvent[] = [];
    let isStray = false;
    for (const block of typeof message.content === "string" ? [] : message.content) {
      const parsed = ToolResultBlock.safeParse(block);
      if (!parsed.success) continue;
      const { tool_use_id: id, content, is_error } = parsed.data;
      const ended = this.#tools.end({ id, content, isError: is_error ?? false }, now);
      if (ended) events.push(ended);
      else if (this.#tools.turnOf(id) === undefined) isStray = true;
    }
    return { events, isStray };
  }

  turnEnded(turnId: string, now: number): SessionEvent[] {
    return [...this.#text.abandon(mainStream), ...this.#tools.abandon({ turnId }, now)];
  }

  subagentEnded(toolUseId: string, now: number): SessionEvent[] {
    const events: SessionEvent[] = [
      ...this.#text.abandon(toolUseId),
      ...this.#tools.abandon({ parentId: toolUseId }, now),
    ];
    this.#text.forget(toolUseId);
    return events;
  }

  agentEnded(now: number): SessionEvent[] {
    return [...this.#text.abandon("all"), ...this.#tools.abandon("all", now)];
  }

  #block(block: Block, place: Place): SessionEvent[] {
    const { turnId, parentId, message } = place;
    switch (block.type) {
      case "text": {
        if (typeof block["text"] !== "string") return [];
        // Counts without a reason to stop are those of the message's start.
        const usage = typeof message["stop_reason"] === "string" ? (message.usage ?? undefined) : undefined;
        const whole = { messageId: message.id, index: place.index, text: block["text"], turnId, parentId };
        return this.#text.whole({ ...whole, model: message.model ?? undefined, usage });
      }
      case "thinking": {
        const text = block["thinking"];
        if (typeof text !== "string" || text === "") return [];
        const item_id = `${message.id}:${place.index}`;
        return [progress(turnId, "reasoning", { text, delta: false, item_id, ...parentOf(parentId) })];
      }
      case "tool_use":
      case "server_tool_use":
      case "mcp_tool_use":
        return this.#call(block, place);
      default:
        return this.#serverResult(block, place.now);
    }
  }

  #call({ id, name, input }: Block, { turnId, parentId, now }: Place): SessionEvent[] {
    if (typeof id !== "string" || typeof name !== "string") return [];
    const started = this.#tools.start({ id, tool: toolNameOf(name), input: input ?? {}, turnId, parentId }, now);
    if (started.length === 0) return [];
    const todo = todoProgress(name, input, turnId);
    return todo ? [...started, todo] : started;
  }

  /** A tool that the service itself ran reports its end in a block of the same message. */
  #serverResult({ tool_use_id: id, content }: Block, now: number): SessionEvent[] {
    const ended = typeof id === "string" ? this.#tools.end({ id, content, isError: false }, now) : undefined;
    return ended ? [ended] : [];
  }
}

function parentOf(parentId: string | undefined): { parent_id?: string } {
  return parentId === undefined ? {} : { parent_id: parentId };
}
