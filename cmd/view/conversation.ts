/**
 * Log lines → the entries of a conversation, as a view shows them. No clock, no terminal. Of a long session the newest part is
 * kept: what it let go of is counted, and is in the log.
 */
import * as z from "zod";
import { visible } from "../../src/client/visible.ts";
import { type EventOf, SessionEvent, type TurnStatus } from "../../src/protocol/event.ts";
import { callText } from "../call-text.ts";
import { editDiffs, type FileDiff } from "../edit-diff.ts";
import { errorText, exitStyle, exitText, noteText, paintNothing, resultText, unreadableText } from "../event-text.ts";
import { inputRequiredText, inputResolvedText } from "../input-text.ts";
import { plainLine, plainText, visibleLine } from "../plain-text.ts";
import { isQuiet } from "../render.ts";
import { toolTitle } from "../render-tool.ts";
import type { Style } from "./styled-line.ts";

/** Changed by the conversation only, but for `isOpen`, which is the person's; `version` tells when it was. */
export type Entry = { version: number; isSub: boolean } & (
  | { kind: "prompt"; text: string }
  /** `isInCode`: begins within a block of code. */
  | { kind: "message"; text: string; isInCode: boolean; isFirst: boolean }
  | ToolEntry
  | { kind: "text"; text: string; style: Style | undefined; diffs: FileDiff[] }
  | { kind: "output"; text: string; style: Style | undefined }
);

interface ToolEntry {
  kind: "tool";
  title: string;
  input: string;
  diffs: FileDiff[];
  result: { text: string; isError: boolean; durationMs: number } | undefined;
  isOpen: boolean;
}

const entriesMax = 20_000;
const charsMax = 32 * 1024 * 1024;
/** Of one result; a person who needs more of it reads the log. */
const resultCharsMax = 64 * 1024;
/** Of what one tool was called with: more than anybody reads, and laid out in a moment. */
const inputCharsMax = 1024 * 1024;
/** An edit of more lines is folded at first. */
const openLinesMax = 400;
/** What is laid out anew with each piece that comes. */
const chunkChars = 8 * 1024;
const openMax = 1000;

const Line = z.looseObject({ timestamp: z.number().optional() });
const ForeignEvent = z.object({ type: z.string(), data: z.record(z.string(), z.unknown()) });

export class Conversation {
  readonly #sessionId: string;
  #entries: Entry[] = [];
  #first = 0;
  #chars = 0;
  readonly #openTools = new Map<string, Entry & ToolEntry>();
  /** The entry that the text of an unfinished message goes on in. */
  readonly #openMessages = new Map<string, Extract<Entry, { kind: "message" }>>();
  /** The first entry of each question that is open. */
  readonly #questions = new Map<string, number>();
  #turn: { id: string; since: number | undefined } | undefined;
  #turnHasText = false;
  #turnsEnded = 0;
  #lastTurn: TurnStatus | undefined;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  /** Entries are counted from the first one that ever was: `first` to `end - 1` are there. */
  get first(): number {
    return this.#first;
  }
  get end(): number {
    return this.#first + this.#entries.length;
  }
  at(index: number): Entry | undefined {
    return this.#entries[index - this.#first];
  }
  /** Since when the turn runs that is under way, by the log's clock. */
  get turnSince(): number | undefined {
    return this.#turn?.since;
  }
  get turnsEnded(): number {
    return this.#turnsEnded;
  }

  /** Where an open question is told. */
  questionAt(requestId: string): number | undefined {
    return this.#questions.get(requestId);
  }

  /** A line about the watching itself. */
  note(text: string): void {
    this.#add({ kind: "text", text: `· ${plainLine(text, 500)}`, style: "dim", diffs: [], ...whole });
  }

  line(text: string): void {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.#text(unreadableText(text, paintNothing), "dim");
    }
    const event = SessionEvent.safeParse(value).data;
    if (event) {
      this.#followTurn(event, Line.safeParse(value).data?.timestamp);
      return this.#event(event);
    }
    const foreign = ForeignEvent.safeParse(value).data;
    if (foreign) this.#text(noteText(foreign.type, foreign.data, paintNothing), "dim");
  }

  #followTurn(event: SessionEvent, since: number | undefined): void {
    if (event.type === "result" || event.type === "exit") this.#turn = undefined;
    else if (event.type === "agent_message" || event.type === "tool_use" || event.type === "user_message") {
      const id = event.data.turn_id;
      // A prompt that waits is not the turn that runs.
      if (id === null || id === this.#turn?.id || (event.type === "user_message" && this.#turn)) return;
      this.#turn = { id, since };
    }
  }

  #event(event: SessionEvent): void {
    switch (event.type) {
      case "user_message":
        return this.#add({ kind: "prompt", text: promptText(event.data), ...whole });
      case "agent_message":
        return this.#message(event.data);
      case "tool_use":
        return this.#tool(event.data);
      case "tool_result":
        return this.#toolResult(event.data);
      case "input_required":
        return this.#question(event.data);
      case "input_resolved":
        this.#questions.delete(event.data.request_id);
        return this.#text(inputResolvedText(event.data, paintNothing), "dim");
      case "result":
        return this.#result(event.data);
      case "error":
        return this.#text(errorText(event.data, paintNothing), "red");
      case "exit": {
        const before = { saidError: undefined, lastTurn: this.#lastTurn };
        const text = exitText(event.data, { ...before, sessionId: this.#sessionId, paint: paintNothing });
        return this.#text(text, exitStyle(event.data, this.#lastTurn));
      }
      case "progress":
        return isQuiet(event.data.kind)
          ? undefined
          : this.#text(noteText(event.data.kind, event.data, paintNothing), "dim");
      case "system":
        return this.#text(noteText(event.data.subtype, event.data, paintNothing), "dim");
      case "stdout":
        return this.#output(event.data.text, undefined);
      case "stderr":
        return this.#output(event.data.text, "dim");
      default:
        return event satisfies never;
    }
  }

  #text(text: string, style: Style): void {
    if (text !== "") this.#add({ kind: "text", text: text.trimEnd(), style, diffs: [], ...whole });
  }

  /** In as many entries as make each quick to lay out. */
  #question(data: EventOf<"input_required">["data"]): void {
    if (this.#questions.size < openMax) this.#questions.set(data.request_id, this.end);
    const raw = data.tool ? editDiffs(data.tool) : [];
    const chunks = chunksOf(inputRequiredText(data, paintNothing, raw).trimEnd(), chunkChars);
    for (const text of chunks) this.#add({ kind: "text", text, style: "yellow", diffs: [], ...whole });
    const diffs = safeDiffs(raw);
    if (diffs.length > 0) this.#add({ kind: "text", text: "", style: undefined, diffs, ...whole });
  }

  #message(data: EventOf<"agent_message">["data"]): void {
    const { item_id, delta, superseded } = data;
    const open = this.#openMessages.get(item_id);
    if (delta) {
      const entry = this.#append(open, data);
      if (entry && (open || this.#openMessages.size < openMax)) this.#openMessages.set(item_id, entry);
      return;
    }
    this.#openMessages.delete(item_id);
    if (superseded && open) return this.#text("(the agent took this back)", "dim");
    if (!open) this.#append(undefined, data);
  }

  /** Answers with the entry that the next piece goes on in: a long message is several, so that no piece makes all of it anew. */
  #append(
    open: Extract<Entry, { kind: "message" }> | undefined,
    { text, parent_id }: EventOf<"agent_message">["data"],
  ): Extract<Entry, { kind: "message" }> | undefined {
    const said = plainText(text);
    if (said === "") return open;
    this.#turnHasText = true;
    let entry = open;
    // Something else was said or done in between: what goes on then stands below it.
    if (entry && this.at(this.end - 1) !== entry && entry.text.endsWith("\n")) entry = undefined;
    for (let rest = said; rest !== ""; ) {
      if (!entry) {
        entry = {
          kind: "message",
          text: "",
          isInCode: false,
          isFirst: true,
          version: 0,
          isSub: parent_id !== undefined,
        };
        this.#add(entry);
      } else if (entry.text.length > chunkChars && entry.text.endsWith("\n")) {
        const isInCode = endsInCode(entry);
        entry = { ...entry, text: "", isInCode, isFirst: false, version: 0 };
        this.#add(entry);
      }
      // A piece ends with a line, so that the next entry begins with one.
      const lineEnd = rest.indexOf("\n", Math.max(0, chunkChars - entry.text.length));
      const piece: string = lineEnd === -1 ? rest : rest.slice(0, lineEnd + 1);
      entry.text += piece;
      entry.version++;
      this.#chars += piece.length;
      rest = rest.slice(piece.length);
    }
    this.#trim();
    return entry;
  }

  #tool(data: EventOf<"tool_use">["data"]): void {
    const raw = editDiffs(data);
    const diffs = safeDiffs(raw);
    const title = toolTitle(data);
    const entry: Entry & ToolEntry = {
      kind: "tool",
      title,
      input: cutText(inputText(diffs.length > 0 ? withoutSaid(data.input, title) : data.input, raw), inputCharsMax),
      diffs,
      result: undefined,
      isOpen: diffs.length > 0 && isShort(diffs),
      version: 0,
      isSub: data.parent_id !== undefined,
    };
    if (this.#openTools.size < openMax) this.#openTools.set(data.id, entry);
    this.#add(entry);
  }

  #toolResult(data: EventOf<"tool_result">["data"]): void {
    const text = data.synthetic
      ? "(the agent never reported a result)"
      : cutText(plainText(data.output).trimEnd(), resultCharsMax);
    const result = { text, isError: data.is_error, durationMs: data.duration_ms };
    const entry = this.#openTools.get(data.id);
    this.#openTools.delete(data.id);
    if (!entry) {
      const title = visibleLine(data.name, 80);
      return this.#add({ kind: "tool", title, input: "", diffs: [], result, isOpen: false, ...whole });
    }
    entry.result = result;
    entry.version++;
    this.#chars += text.length;
    this.#trim();
  }

  #result(data: EventOf<"result">["data"]): void {
    const isTextSeen = this.#turnHasText;
    this.#turnHasText = false;
    this.#turnsEnded++;
    this.#lastTurn = data.status;
    this.#openMessages.clear();
    const text = resultText(data, { isTextSeen, saidError: undefined, paint: paintNothing });
    this.#text(text, data.status === "success" ? "dim" : "yellow");
  }

  #output(text: string, style: Style | undefined): void {
    const said = plainText(text);
    const last = this.at(this.end - 1);
    if (last?.kind === "output" && last.style === style && last.text.length < chunkChars) {
      last.text += `\n${said}`;
      last.version++;
      this.#chars += said.length;
    } else this.#add({ kind: "output", text: said, style, ...whole });
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    this.#chars += charsOf(entry);
    this.#trim();
  }

  /** A part at once, since each time moves the rest. */
  #trim(): void {
    if (this.#entries.length <= entriesMax && this.#chars <= charsMax) return;
    let dropped = 0;
    let chars = this.#chars;
    while (
      dropped < this.#entries.length - 1 &&
      (this.#entries.length - dropped > entriesMax * 0.9 || chars > charsMax * 0.9)
    ) {
      const entry = this.#entries[dropped++];
      if (entry) chars -= charsOf(entry);
    }
    this.#entries = this.#entries.slice(dropped);
    this.#first += dropped;
    this.#chars = chars;
  }
}

const whole = { version: 0, isSub: false } as const;

function promptText({ kind, by, text }: EventOf<"user_message">["data"]): string {
  const said = kind === "prompt" ? "" : `(${kind}) `;
  return `${said}${by === undefined ? "" : `${plainLine(by, 80)}: `}${plainText(text).trim()}`;
}

/** All of it: a command as one reads it, and what else the call says. */
function inputText(input: unknown, diffs: readonly FileDiff[]): string {
  const called = z.looseObject({ command: z.string() }).safeParse(input).data;
  if (called === undefined) return callText(input, diffs);
  const { command, ...rest } = called;
  return [visible(`$ ${command}`), callText(rest, diffs)].filter((text) => text !== "").join("\n");
}

/** Without the field that the title of a call ends with: the path of an edit. */
function withoutSaid(input: unknown, title: string): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  const isSaid = (value: unknown) => typeof value === "string" && value !== "" && title.endsWith(`  ${value}`);
  return Object.fromEntries(Object.entries(input).filter(([, value]) => !isSaid(value)));
}

function safeDiffs(diffs: readonly FileDiff[]): FileDiff[] {
  return diffs.map(({ path, lines }) => ({
    path: visibleLine(path, 500),
    lines: lines.map(({ sign, text }) => ({ sign, text: visible(text) })),
  }));
}

/** What is longer is opened by whoever wants to read it. */
function isShort(diffs: readonly FileDiff[]): boolean {
  const lines = diffs.flatMap((diff) => diff.lines);
  return lines.length <= openLinesMax && lines.reduce((chars, { text }) => chars + text.length, 0) <= resultCharsMax;
}

function cutText(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}\n… the rest is in the log`;
}

/** Parts of about so many characters, each a number of whole lines where they are not too long for that. */
function chunksOf(text: string, chars: number): string[] {
  const chunks: string[] = [];
  for (let from = 0; ; ) {
    const lineEnd = text.indexOf("\n", from + chars);
    let to = lineEnd === -1 ? text.length : lineEnd;
    const isCut = to - from > 2 * chars;
    if (isCut) to = from + 2 * chars - (/[\ud800-\udbff]/.test(text[from + 2 * chars - 1] ?? "") ? 1 : 0);
    chunks.push(text.slice(from, to));
    if (to === text.length) return chunks;
    from = isCut ? to : to + 1;
  }
}

function endsInCode({ text, isInCode }: { text: string; isInCode: boolean }): boolean {
  const marks = text.match(/^\s{0,3}(?:`{3,}|~{3,})/gm)?.length ?? 0;
  return (marks % 2 === 1) !== isInCode;
}

function charsOf(entry: Entry): number {
  if (entry.kind !== "tool" && entry.kind !== "text") return entry.text.length;
  const changed = entry.diffs.reduce(
    (sum, { lines }) => lines.reduce((chars, { text }) => chars + text.length, sum),
    0,
  );
  if (entry.kind === "text") return entry.text.length + changed;
  return entry.title.length + entry.input.length + changed + (entry.result?.text.length ?? 0);
}
