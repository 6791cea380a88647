/** Tool parts, which are updated again and again, as one call, growing output, and one result. */
import type { SessionEvent } from "../../src/protocol/event.ts";
import { BoundedMap } from "../bounded-memory.ts";
import { progress } from "../facts.ts";
import { ToolCalls, type ToolName } from "../tool-calls.ts";
import { parentOf, type Whereabouts } from "./places.ts";
import type { ToolPart } from "./raw.ts";
import { toolNameOf } from "./tool-name.ts";

/** A call that runs, for whoever asks a person about it. */
export interface RunningTool extends Whereabouts {
  id: string;
  tool: ToolName;
  input: unknown;
  /** As far as it was passed on. */
  output: string;
}

export class ToolParts {
  readonly #calls = new ToolCalls();
  readonly #running = new Map<string, RunningTool>();
  /** The part that a call id belongs to: a model may use an id twice. */
  readonly #owners = new BoundedMap<string>();
  #servers: readonly string[] = [];

  /** Names of the MCP servers, to tell their tools by. */
  set servers(names: readonly string[]) {
    this.#servers = names;
  }

  get servers(): readonly string[] {
    return this.#servers;
  }

  running(callId: string): RunningTool | undefined {
    return this.#running.get(callId);
  }

  openNames(turnId: string): string[] {
    return this.#calls.openNames(turnId);
  }

  update(part: ToolPart, place: Whereabouts, now: number): SessionEvent[] {
    const { status, time } = part.state;
    if (status === "pending") return [];
    const id = this.#idOf(part);
    const events: SessionEvent[] = [];
    events.push(...this.#start(id, part, place, time?.start ?? now));
    if (status === "completed" || status === "error") {
      this.#running.delete(id);
      const ended = this.#calls.end({ id, content: contentOf(part), isError: isError(part) }, time?.end ?? now);
      if (ended) events.push(ended);
      return events;
    }
    const grown = this.#grown(id, part);
    if (grown) events.push(grown);
    return events;
  }

  /** Results for the calls that will not be reported any more, subagents' included. */
  abandon(which: { turnId: string } | "all", now: number): SessionEvent[] {
    const lost = [...this.#running].filter(([, { turnId }]) => which === "all" || turnId === which.turnId);
    for (const [id] of lost) this.#running.delete(id);
    if (which === "all") return this.#calls.abandon("all", now);
    const parents = new Set(lost.flatMap(([, { parentId }]) => parentId ?? []));
    const ofSubagents = [...parents].flatMap((parentId) => this.#calls.abandon({ parentId }, now));
    return [...ofSubagents, ...this.#calls.abandon(which, now)];
  }

  #start(id: string, part: ToolPart, place: Whereabouts, now: number): SessionEvent[] {
    const input = part.state.input ?? {};
    const tool = toolNameOf(calledName(part), this.#servers);
    const { turnId, parentId } = place;
    const events = this.#calls.start({ id, tool, input, turnId, parentId }, now);
    // The end of one that is given up for it may be among them.
    for (const event of events) if (event.type === "tool_result") this.#running.delete(event.data.id);
    if (events.length > 0) this.#running.set(id, { id, tool, input, parentId, output: "", turnId });
    return events;
  }

  /** The program repeats all of the output, or its last 30 000 characters; we pass on what is new. */
  #grown(id: string, { state }: ToolPart): SessionEvent | undefined {
    const running = this.#running.get(id);
    const output = state.metadata?.["output"];
    if (!running || typeof output !== "string" || output === running.output) return undefined;
    const isMore = output.startsWith(running.output);
    const text = isMore ? output.slice(running.output.length) : output;
    running.output = output;
    return progress(running.turnId, "tool_output", { id, text, delta: isMore, ...parentOf(running) });
  }

  #idOf({ id, callID }: ToolPart): string {
    const owner = this.#owners.get(callID);
    if (owner === undefined) this.#owners.set(callID, id);
    return owner === undefined || owner === id ? callID : id;
  }
}

/** A tool that does not exist becomes a call of `invalid`, which names the one that was wanted. */
function calledName({ tool, state }: ToolPart): string {
  if (tool !== "invalid" || typeof state.input !== "object" || state.input === null) return tool;
  const wanted = "tool" in state.input ? state.input.tool : undefined;
  return typeof wanted === "string" ? wanted : tool;
}

function contentOf({ state }: ToolPart): unknown {
  return state.status === "error" ? (state.error ?? "") : (state.output ?? "");
}

/** A command that fails or is aborted has `completed` as far as the program is concerned. */
function isError({ tool, state }: ToolPart): boolean {
  if (state.status === "error" || tool === "invalid") return true;
  const { metadata } = state;
  return tool === "bash" && metadata !== null && metadata !== undefined && "exit" in metadata && metadata["exit"] !== 0;
}
