/** The tool calls that are open: each gets exactly one result, made up when the agent never reports it. */
import type { EventOf, ToolKind } from "../src/protocol/event.ts";

/** The agent's word for a tool, what it does, and whose it is. */
export interface ToolName {
  name: string;
  kind: ToolKind;
  /** The MCP server it belongs to. */
  server?: string;
}

interface OpenCall extends ToolName {
  id: string;
  turnId: string;
  parentId: string | undefined;
  startedAt: number;
}

export interface CallStart {
  id: string;
  tool: ToolName;
  input: unknown;
  turnId: string;
  parentId: string | undefined;
}

export interface CallEnd {
  id: string;
  content: unknown;
  isError: boolean;
}

/** A name is remembered while its call is open. */
const nameCharactersMax = 1000;
/** Calls that an agent may leave open at a time; past it the oldest is given up. */
const openMax = 1000;
/** Ids remembered after their end, so that a line printed twice does not make a second call or result. */
const endedMax = 10_000;

export class ToolCalls {
  readonly #open = new Map<string, OpenCall>();
  readonly #ended = new Map<string, string>();

  /** Empty for a call that is known. Before the call itself comes the end of one that is given up for it. */
  start(call: CallStart, now: number): (EventOf<"tool_use"> | EventOf<"tool_result">)[] {
    if (this.#open.has(call.id) || this.#ended.has(call.id)) return [];
    const [oldest] = this.#open.values();
    const givenUp =
      oldest && this.#open.size >= openMax
        ? [this.#madeUp(oldest, "Too many calls are open, so this one is no longer followed.", now)]
        : [];
    const tool = { ...call.tool, name: call.tool.name.slice(0, nameCharactersMax) };
    this.#open.set(call.id, {
      ...tool,
      id: call.id,
      turnId: call.turnId,
      parentId: call.parentId,
      startedAt: now,
    });
    return [
      ...givenUp,
      {
        type: "tool_use",
        data: { turn_id: call.turnId, id: call.id, ...tool, input: call.input, ...parent(call.parentId) },
      },
    ];
  }

  /** Undefined for a call that is not open. */
  end({ id, content, isError }: CallEnd, now: number): EventOf<"tool_result"> | undefined {
    const call = this.#open.get(id);
    if (!call) return undefined;
    return { type: "tool_result", data: { ...this.#close(call, now), output: outputText(content), is_error: isError } };
  }

  /** Results for the open calls that will not be reported any more. */
  abandon(which: { turnId: string } | { parentId: string } | "all", now: number): EventOf<"tool_result">[] {
    const lost = [...this.#open.values()].filter((call) => {
      if (which === "all") return true;
      if ("parentId" in which) return call.parentId === which.parentId;
      // A subagent in the background goes on after the turn that called it.
      return call.turnId === which.turnId && call.parentId === undefined;
    });
    const output = "The agent never reported how this call ended; this result was made up.";
    return lost.map((call) => this.#madeUp(call, output, now));
  }

  /** The turn in which a call was made: a subagent's events belong to it, whenever they come. */
  turnOf(id: string): string | undefined {
    return this.#open.get(id)?.turnId ?? this.#ended.get(id);
  }

  /** The call of the subagent that an open call belongs to. */
  parentOf(id: string): string | undefined {
    return this.#open.get(id)?.parentId;
  }

  /** Names of the main agent's open calls in this turn. */
  openNames(turnId: string): string[] {
    const names: string[] = [];
    for (const call of this.#open.values())
      if (call.turnId === turnId && call.parentId === undefined) names.push(call.name);
    return names;
  }

  #madeUp(call: OpenCall, output: string, now: number): EventOf<"tool_result"> {
    return { type: "tool_result", data: { ...this.#close(call, now), output, is_error: true, synthetic: true } };
  }

  #close(call: OpenCall, now: number) {
    this.#open.delete(call.id);
    this.#ended.set(call.id, call.turnId);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > endedMax && oldest !== undefined) this.#ended.delete(oldest);
    return closed(call, now);
  }
}

function closed(call: OpenCall, now: number) {
  return {
    turn_id: call.turnId,
    id: call.id,
    name: call.name,
    duration_ms: Math.max(0, now - call.startedAt),
    ...parent(call.parentId),
  };
}

function parent(parentId: string | undefined): { parent_id?: string } {
  return parentId === undefined ? {} : { parent_id: parentId };
}

/** A string, or blocks: their texts, and a word for what is not text. */
function outputText(content: unknown): string {
  if (typeof content === "string") return content;
  if (content === undefined || content === null) return "";
  if (!Array.isArray(content)) return JSON.stringify(content);
  const parts: unknown[] = content;
  return parts.map(partText).join("\n");
}

function partText(part: unknown): string {
  if (typeof part === "string") return part;
  if (typeof part !== "object" || part === null) return String(part);
  if ("text" in part && typeof part.text === "string") return part.text;
  return "type" in part && typeof part.type === "string" ? `[${part.type}]` : JSON.stringify(part);
}
