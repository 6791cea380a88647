/**
 * Updates of tool calls, each with some of what is known → one `tool_use` and one `tool_result` a call. A call is held
 * back until its input is there: the first update often comes without.
 */
import type { SessionEvent, ToolKind } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import { ToolCalls, type ToolName } from "../tool-calls.ts";
import type { ToolUpdate } from "./raw.ts";
import { parentOf, toolNameOf } from "./tool-name.ts";
import { contentText, hasFailedExit, outputOf } from "./tool-output.ts";

/** What is known of a call that has not ended. */
export interface Call {
  id: string;
  turnId: string;
  seenAt: number;
  firstTitle: string | undefined;
  title: string | undefined;
  kind: ToolKind;
  input: unknown;
  content: ToolUpdate["content"];
  rawOutput: unknown;
  paths: string[];
  meta: ToolUpdate["_meta"];
  isAnnounced: boolean;
  /** Output as far as it was passed on. */
  shown: string;
}

/** Calls that an agent may leave open at a time; past it the oldest is given up. */
const openMax = 1_000;

export class ToolUpdates {
  readonly #calls = new ToolCalls();
  readonly #open = new Map<string, Call>();
  agentName: string | undefined;

  update(update: ToolUpdate, turnId: string, now: number): SessionEvent[] {
    const id = update.toolCallId;
    // Its end was told, or made up: whatever comes late changes nothing.
    if (!this.#open.has(id) && this.#calls.turnOf(id) !== undefined) return [];
    const events = this.#open.has(id) || this.#open.size < openMax ? [] : this.#giveUpOldest(now);
    const call = this.#merge(update, turnId, now);
    const isOver = update.status === "completed" || update.status === "failed";
    if (isOver || isTold(update, call)) events.push(...this.#announce(call));
    if (isOver) {
      this.#open.delete(id);
      const isError = update.status === "failed" || hasFailedExit(call.rawOutput);
      const ended = this.#calls.end({ id, content: outputOf(call), isError }, now);
      if (ended) events.push(ended);
    } else if (call.isAnnounced && update.status === "in_progress") events.push(...this.#grown(call));
    return events;
  }

  /** A person is asked about it: its input is as it will be. */
  asked(update: ToolUpdate, turnId: string, now: number): { events: SessionEvent[]; call: Call; tool: ToolName } {
    const known = this.#open.get(update.toolCallId);
    const isEnded = !known && this.#calls.turnOf(update.toolCallId) !== undefined;
    const call = isEnded ? newCall(update, turnId, now) : this.#merge({ ...update, status: undefined }, turnId, now);
    return { events: isEnded ? [] : this.#announce(call), call, tool: this.#nameOf(call) };
  }

  /** Something else happens: what is held back comes before it. */
  announceAll(): SessionEvent[] {
    const events: SessionEvent[] = [];
    for (const call of this.#open.values()) if (!call.isAnnounced) events.push(...this.#announce(call));
    return events;
  }

  get hasHeld(): boolean {
    for (const call of this.#open.values()) if (!call.isAnnounced) return true;
    return false;
  }

  openNames(turnId: string): string[] {
    return [...this.#open.values()].filter((call) => call.turnId === turnId).map((call) => this.#nameOf(call).name);
  }

  /** A command may be running. */
  get isExecuting(): boolean {
    for (const { kind } of this.#open.values()) if (kind === "execute") return true;
    return false;
  }

  /** The turn or the agent is over: calls that are open will not be reported any more. */
  abandon(now: number): SessionEvent[] {
    const events = this.announceAll();
    this.#open.clear();
    return [...events, ...this.#calls.abandon("all", now)];
  }

  #giveUpOldest(now: number): SessionEvent[] {
    const [oldest] = this.#open.values();
    if (!oldest) return [];
    this.#open.delete(oldest.id);
    const events = this.#announce(oldest);
    const content = "Too many calls are open, so this one is no longer followed.";
    const ended = this.#calls.end({ id: oldest.id, content, isError: true }, now);
    if (ended) events.push({ ...ended, data: { ...ended.data, synthetic: true } });
    return events;
  }

  #merge(update: ToolUpdate, turnId: string, now: number): Call {
    const call = this.#open.get(update.toolCallId) ?? newCall(update, turnId, now);
    this.#open.set(call.id, call);
    call.firstTitle ??= update.title ?? undefined;
    call.title = update.title ?? call.title;
    call.kind = update.kind ?? call.kind;
    if (isFilled(update.rawInput)) call.input = merged(call.input, update.rawInput);
    call.content = update.content ?? call.content;
    call.rawOutput = update.rawOutput ?? call.rawOutput;
    if (update.locations?.length) call.paths = update.locations.map(({ path }) => path);
    call.meta = update._meta ? { ...call.meta, ...update._meta } : call.meta;
    return call;
  }

  #announce(call: Call): SessionEvent[] {
    if (call.isAnnounced) return [];
    call.isAnnounced = true;
    const tool = this.#nameOf(call);
    const { id, turnId, seenAt } = call;
    const parentId = parentOf(call.meta);
    const started = this.#calls.start({ id, tool, input: inputOf(call), turnId, parentId }, seenAt);
    return started.length > 0 ? [...started, ...todosOf(tool.name, call)] : [];
  }

  #nameOf({ firstTitle, kind, meta }: Call): ToolName {
    return toolNameOf({ agentName: this.agentName, firstTitle, kind, meta });
  }

  /** Agents repeat the whole output with each update; we pass on what is new. */
  #grown(call: Call): SessionEvent[] {
    const output = contentText(call.content);
    if (output === "" || output === call.shown || call.kind !== "execute") return [];
    const isMore = output.startsWith(call.shown);
    const text = isMore ? output.slice(call.shown.length) : output;
    call.shown = output;
    return [progress(call.turnId, "tool_output", { id: call.id, text, delta: isMore })];
  }
}

function newCall(update: ToolUpdate, turnId: string, seenAt: number): Call {
  return {
    id: update.toolCallId,
    turnId,
    seenAt,
    firstTitle: update.title ?? undefined,
    title: update.title ?? undefined,
    kind: update.kind ?? "other",
    input: isFilled(update.rawInput) ? update.rawInput : undefined,
    content: undefined,
    rawOutput: undefined,
    paths: [],
    meta: undefined,
    isAnnounced: false,
    shown: "",
  };
}

/** Its input is whole: a pending call may have been given a part of it only. */
function isTold(update: ToolUpdate, call: Call): boolean {
  if (update.status === "pending") return false;
  // An agent that says twice that it is under way, and not with what, keeps that to itself.
  if (update.status === "in_progress")
    return call.input !== undefined || update["sessionUpdate"] === "tool_call_update";
  return isFilled(update.rawInput);
}

function isFilled(input: unknown): boolean {
  if (typeof input === "object" && input !== null) return Object.keys(input).length > 0;
  return input !== undefined && input !== null && input !== "";
}

function merged(known: unknown, more: unknown): unknown {
  const isBoth = typeof known === "object" && known !== null && typeof more === "object" && more !== null;
  return isBoth && !Array.isArray(known) && !Array.isArray(more) ? { ...known, ...more } : more;
}

/** An agent that keeps the input to itself still has a title and places. */
function inputOf({ input, title, paths }: Call): unknown {
  if (input !== undefined) return input;
  return { ...(title === undefined ? {} : { title }), ...(paths.length > 0 ? { paths } : {}) };
}

/** OpenCode sends its list as a call of a tool, the others as a plan. */
function todosOf(name: string, { input, turnId }: Call): SessionEvent[] {
  if (name !== "todowrite" || typeof input !== "object" || input === null || !("todos" in input)) return [];
  return Array.isArray(input.todos) ? [progress(turnId, "todo", { items: input.todos })] : [];
}
