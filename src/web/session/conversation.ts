/**
 * A session's log as a conversation: events in, items out, at its end as they come and at its beginning piece by piece. Of texts it holds only what is still being written, the questions
 * that are open, and the lines that were looked at last. Pure: it reads no clock and asks no daemon.
 */
import type { EventOf, InputRequired, Usage } from "../../protocol/event.ts";
import type { LogLine } from "../../protocol/line.ts";
import { firstLine } from "../text/shown.ts";
import { flags, type ItemKind, ItemTable, type Span } from "./item-table.ts";
import { LineStore } from "./line-store.ts";
import { LooseEnds } from "./loose-ends.ts";

/** A turn for the timeline. */
export interface Turn {
  id: string;
  title: string;
  startedAt: number;
  endedAt: number | undefined;
  /** Undefined while it waits or runs. */
  status: EventOf<"result">["data"]["status"] | undefined;
  usage: Usage | undefined;
  costUsd: number | null;
  toolCount: number;
  /** Its first item. */
  index: number;
}

/** What an agent begins and never ends must not make this grow. */
const openMax = 1000;
const turnsMax = 10_000;
const outputLinesMax = 50;
/** Facts for programs, which a person has no use for. */
const quietNotes = new Set(["init", "commands", "trace", "options", "raw", "session_info", "usage", "mode"]);
const quietProgress = new Set(["reasoning", "tool_output", "input_delivered", "usage"]);

/** Whether a line is to be seen in it, by itself or with another. */
export function isShown(line: LogLine): boolean {
  if (line.type === "agent_message") return !line.data.delta;
  if (line.type === "progress") return !quietProgress.has(line.data.kind);
  return line.type !== "system" || !quietNotes.has(line.data.subtype);
}

export class Conversation {
  readonly items = new ItemTable();
  readonly lines = new LineStore();
  readonly turns: Turn[] = [];
  /** Open questions, oldest first. */
  readonly inputs = new Map<string, { input: InputRequired; index: number }>();
  exit: EventOf<"exit">["data"] | undefined;
  /** The log was read from here… */
  start: number;
  /** …to here. */
  offset: number;
  /** The questions that were closed last. */
  readonly answered = new Set<string>();
  /** Undefined before the first line that tells. */
  #doing: string | undefined;
  readonly #texts = new Map<string, { index: number; text: string }>();
  readonly #tools = new Map<string, { index: number; line: LogLine; bytes: number }>();
  readonly #turnsById = new Map<string, Turn>();
  #output: { index: number; type: string; lines: LogLine[]; span: Span } | undefined;
  readonly #loose = new LooseEnds();
  /** What stands behind it, when this is a part that is read later. */
  readonly #later: Conversation | undefined;
  /** How texts begin that are still written there. */
  readonly #heads = new Map<string, string>();

  constructor(start = 0, later?: Conversation) {
    this.start = start;
    this.offset = start;
    this.#later = later;
  }

  /** What the agent is at, where it says so between its messages. */
  get doing(): string {
    return this.#doing ?? "";
  }

  /** What stands before all that was read: the lines from `start` on, oldest first. */
  takeEarlier(lines: Iterable<{ line: LogLine; span: Span }>, start: number): void {
    const earlier = new Conversation(start, this);
    for (const { line, span } of lines) earlier.take(line, span);
    const shift = this.items.prepend(earlier.items);
    this.lines.adopt(earlier.lines, shift);
    for (const [id, head] of earlier.#heads) {
      const open = this.#texts.get(id);
      if (open) open.text = head + open.text;
    }
    putBefore(this.#texts, earlier.#texts, shift);
    putBefore(this.#tools, earlier.#tools, shift);
    if (!this.exit) putBefore(this.inputs, earlier.inputs, shift);
    this.exit ??= earlier.exit;
    this.#doing ??= earlier.#doing;
    this.#joinTurns(earlier, shift);
    this.#loose.adopt(earlier.#loose, shift);
    this.start = start;
  }

  #joinTurns(earlier: Conversation, shift: number): void {
    for (const [id, count] of earlier.#loose.callCounts) {
      const late = this.#loose.turns.get(id);
      if (late) late.toolCount += count;
      else this.#loose.countCall(id, count);
    }
    const joined = earlier.turns.map((turn) => {
      turn.index += shift;
      if (turn.status !== undefined) return turn;
      const late = this.#loose.turns.get(turn.id);
      turn.toolCount += late?.toolCount ?? this.#loose.callCounts.get(turn.id) ?? 0;
      if (!late) {
        this.#turnsById.set(turn.id, turn);
        return turn;
      }
      this.#loose.turns.delete(turn.id);
      const { title, index, toolCount } = turn;
      return Object.assign(late, { title, index, toolCount, startedAt: Math.max(late.startedAt, turn.startedAt) });
    });
    const own = this.turns.filter((turn) => !joined.includes(turn));
    this.turns.splice(0, this.turns.length, ...[...joined, ...own].slice(-turnsMax));
  }

  /** What is asked now; with those of the daemon's list that stand further up than was read. */
  openInputs(listed: readonly InputRequired[]): InputRequired[] {
    const isFurther = ({ request_id: id }: InputRequired) => !this.inputs.has(id) && !this.answered.has(id);
    return [...listed.filter(isFurther), ...[...this.inputs.values()].map(({ input }) => input)];
  }

  /** The text of a message that is still being written. */
  openText(index: number): string | undefined {
    for (const open of this.#texts.values()) if (open.index === index) return open.text;
    return undefined;
  }

  /** `span` is where the line is. */
  take(line: LogLine, span: Span): void {
    this.offset = span.end;
    if (line.type !== "stdout" && line.type !== "stderr") this.#output = undefined;
    switch (line.type) {
      case "user_message":
        this.#takeUser(line, span);
        return;
      case "agent_message":
        this.#takeText(line, span);
        return;
      case "tool_use":
        this.#takeCall(line, span);
        return;
      case "tool_result":
        this.#takeCallResult(line, span);
        return;
      case "result":
        this.#takeResult(line, span);
        return;
      case "input_required":
        this.#takeQuestion(line, span);
        return;
      case "input_resolved":
        this.#takeAnswer(line, span);
        return;
      case "progress":
        if (line.data.kind === "reasoning") this.#doing = "thinking";
        if (isShown(line)) this.#add("note", line, span);
        return;
      case "system":
        if (isShown(line)) this.#add("note", line, span);
        return;
      case "error":
        this.#add("error", line, span, flags.failed);
        return;
      case "stdout":
      case "stderr":
        this.#takeOutput(line, span);
        return;
      case "exit":
        this.exit = line.data;
        // Nobody waits for an answer any more.
        this.inputs.clear();
        this.#doing = "";
        this.#add("exit", line, span, line.data.code === 0 ? 0 : flags.failed);
        return;
      default:
        line satisfies never;
    }
  }

  #add(kind: ItemKind, line: LogLine, span: Span, flagged = 0): number {
    const index = this.items.add(kind, span, flagged);
    this.lines.set(index, [line], span.end - span.start);
    return index;
  }

  #takeUser(line: LogLine & EventOf<"user_message">, span: Span): void {
    const { turn_id, kind, text } = line.data;
    const index = this.#add("user", line, span);
    if (turn_id === null || kind !== "prompt" || this.#turnsById.has(turn_id)) return;
    this.#turnOf(turn_id, { title: firstLine(text.replaceAll("\r\n", "\n"), 80), at: line.timestamp, index });
  }

  #takeText(line: LogLine & EventOf<"agent_message">, span: Span): void {
    const { item_id, text, delta, superseded } = line.data;
    this.#doing = "writing";
    const open = this.#texts.get(item_id);
    if (delta) {
      if (open) {
        open.text += text;
        return;
      }
      const end = this.#later?.endOf(item_id);
      if (end === "open") this.#heads.set(item_id, (this.#heads.get(item_id) ?? "") + text);
      if (end !== undefined) return;
      remember(this.#texts, item_id, { index: this.items.add("agent", span, subOf(line.data)), text });
      return;
    }
    this.#doing = "";
    this.#texts.delete(item_id);
    // Its pieces may have begun before what was read.
    this.#loose.noteWhole(item_id);
    this.#heads.delete(item_id);
    if (open) {
      this.items.moveTo(open.index, span);
      this.lines.set(open.index, [line], span.end - span.start);
      if (superseded) this.items.flag(open.index, flags.failed);
    } else if (text !== "") this.#add("agent", line, span, subOf(line.data));
  }

  #takeCall(line: LogLine & EventOf<"tool_use">, span: Span): void {
    const turn = this.#turnsById.get(line.data.turn_id);
    if (turn) turn.toolCount++;
    else this.#loose.countCall(line.data.turn_id);
    if (this.#later?.takeBeginning("results", line.data.id, span)) return;
    const index = this.#add("tool", line, span, subOf(line.data));
    this.#doing = firstLine(line.data.name, 40);
    remember(this.#tools, line.data.id, { index, line, bytes: span.end - span.start });
  }

  /** Of an end that was there before it: they are one item, where the end is. Tells whether there was one. */
  takeBeginning(kind: "results" | "answers", id: string, span: Span): boolean {
    const key = this.#loose[kind].get(id);
    if (key === undefined) return false;
    this.#loose[kind].delete(id);
    this.items.setSecond(key, span);
    this.lines.drop(key);
    return true;
  }

  /** Of a message whose pieces are read later: it came whole, or is still written. */
  endOf(itemId: string): "whole" | "open" | undefined {
    if (this.#loose.wholes.has(itemId)) return "whole";
    return this.#texts.has(itemId) ? "open" : undefined;
  }

  #takeQuestion(line: LogLine & EventOf<"input_required">, span: Span): void {
    if (this.#later?.takeBeginning("answers", line.data.request_id, span)) return;
    const index = this.#add("input", line, span, subOf(line.data));
    remember(this.inputs, line.data.request_id, { input: line.data, index });
  }

  #takeCallResult(line: LogLine & EventOf<"tool_result">, span: Span): void {
    this.#doing = "";
    const flagged = line.data.is_error ? flags.failed : 0;
    const call = this.#tools.get(line.data.id);
    if (!call) {
      this.#loose.note(this.#loose.results, line.data.id, this.#add("tool", line, span, flagged));
      return;
    }
    this.#tools.delete(line.data.id);
    this.items.setSecond(call.index, span);
    this.items.flag(call.index, flagged);
    this.lines.set(call.index, [call.line, line], call.bytes + span.end - span.start);
  }

  #takeResult(line: LogLine & EventOf<"result">, span: Span): void {
    const { turn_id, status, usage, cost_usd, duration_ms } = line.data;
    const index = this.#add("result", line, span, status === "success" ? 0 : flags.failed);
    this.#doing = "";
    const turn = this.#turnsById.get(turn_id) ?? this.#lateTurn(turn_id, line.timestamp - duration_ms, index);
    this.#turnsById.delete(turn_id);
    Object.assign(turn, { status, usage, costUsd: cost_usd, endedAt: line.timestamp });
    // One that had to wait begins when the one before it ends.
    turn.startedAt = Math.max(turn.startedAt, line.timestamp - duration_ms);
  }

  #takeAnswer(line: LogLine & EventOf<"input_resolved">, span: Span): void {
    const asked = this.inputs.get(line.data.request_id);
    this.inputs.delete(line.data.request_id);
    this.answered.add(line.data.request_id);
    const [oldest] = this.answered;
    if (this.answered.size > openMax && oldest !== undefined) this.answered.delete(oldest);
    if (!asked) {
      this.#loose.note(this.#loose.answers, line.data.request_id, this.#add("input", line, span));
      return;
    }
    this.items.setSecond(asked.index, span);
    const question = this.lines.get(asked.index);
    const first = this.items.at(asked.index).span;
    if (question) this.lines.set(asked.index, [...question, line], first.end - first.start + span.end - span.start);
  }

  /** Lines of a plain command stand together, so many to an item. */
  #takeOutput(line: LogLine, span: Span): void {
    const open = this.#output;
    if (open && open.type === line.type && open.lines.length < outputLinesMax) {
      open.lines.push(line);
      open.span.end = span.end;
      this.items.setSpan(open.index, open.span);
      this.lines.set(open.index, open.lines, open.span.end - open.span.start);
      return;
    }
    const index = this.items.add("output", span, line.type === "stderr" ? flags.failed : 0);
    this.#output = { index, type: line.type, lines: [line], span: { ...span } };
    this.lines.set(index, this.#output.lines, span.end - span.start);
  }

  /** One whose beginning was not read; those that the agent begins have none. */
  #lateTurn(id: string, at: number, index: number): Turn {
    const isCut = this.start > 0 && !id.includes(".");
    const turn = this.#turnOf(id, { title: isCut ? "its prompt is further up" : "begun by the agent", at, index });
    turn.toolCount = this.#loose.callCounts.get(id) ?? 0;
    this.#loose.note(this.#loose.turns, id, turn);
    return turn;
  }

  #turnOf(id: string, { title, at, index }: { title: string; at: number; index: number }): Turn {
    const turn: Turn = {
      ...{ id, title, index, startedAt: at, endedAt: undefined, status: undefined },
      ...{ usage: undefined, costUsd: null, toolCount: 0 },
    };
    remember(this.#turnsById, id, turn);
    this.turns.push(turn);
    if (this.turns.length > turnsMax) this.turns.shift();
    return turn;
  }
}

function subOf(data: { parent_id?: string | undefined }): number {
  return data.parent_id === undefined ? 0 : flags.sub;
}

function putBefore<T extends { index: number }>(open: Map<string, T>, earlier: Map<string, T>, shift: number): void {
  const own = [...open];
  open.clear();
  for (const [id, value] of earlier) remember(open, id, { ...value, index: value.index + shift });
  for (const [id, value] of own) remember(open, id, value);
}

function remember<T>(open: Map<string, T>, id: string, value: T): void {
  open.set(id, value);
  const [oldest] = open.keys();
  if (open.size > openMax && oldest !== undefined) open.delete(oldest);
}
