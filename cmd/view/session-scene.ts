/** A session on the whole terminal: its conversation, what it is at, an open question with its keys, and a line to type in. */
import type { InputRequired } from "../../src/protocol/event.ts";
import type { SessionView } from "../../src/protocol/http.ts";
import type { OpenQuestions } from "../open-questions.ts";
import type { Key, Scene, Size } from "../screen.ts";
import type { NoteAbout } from "../typed-acts.ts";
import { typingMs } from "../typed-input.ts";
import { readTyped, type Typed } from "../typed-line.ts";
import { Conversation } from "./conversation.ts";
import { type EditLine, edited, editRows, emptyLine } from "./edit-line.ts";
import { isOver, type PassingNote, passingNote, type Surroundings } from "./passing-note.ts";
import { isOneChoice, questionRows } from "./question-rows.ts";
import { ReadingPlace } from "./reading-place.ts";
import { type Facts, statusLine } from "./status-line.ts";
import { cutLine, type Line, markWords, paintLine, plain } from "./styled-line.ts";

export interface SessionSceneOptions {
  sessionId: string;
  colour: boolean;
  questions: OpenQuestions;
  refresh(): void;
  /** What the person wants of the session. */
  act(typed: Typed): void;
  /** Ctrl+C. */
  interrupt(): void;
  leave(): void;
}

const hint = "a prompt · Tab tools · PgUp scroll · Ctrl+F search · Ctrl+C interrupt · Ctrl+D leave";
const endedHint = "Enter leaves · Tab tools · PgUp scroll · Ctrl+F search";

export class SessionScene implements Scene {
  readonly conversation: Conversation;
  view: SessionView | undefined;
  connection: Facts["connection"] = "reading";
  readShare = 0;
  exitCode: number | undefined;
  readonly #options: SessionSceneOptions;
  readonly #place: ReadingPlace;
  #line: EditLine = emptyLine;
  #search: EditLine | undefined;
  #note: PassingNote | undefined;
  /** The question whose keys are shown, and since when. */
  #asked: { id: string; sinceMs: number } | undefined;

  constructor(options: SessionSceneOptions) {
    this.#options = options;
    this.conversation = new Conversation(options.sessionId);
    this.#place = new ReadingPlace(this.conversation);
  }

  /** One line for the person, until the next key or until it is no longer true. */
  note(text: string, about: NoteAbout): void {
    this.#note = passingNote(text, about, this.#surroundings());
    this.#options.refresh();
  }

  /** What is on the screen may be over though nothing came. */
  get hasNote(): boolean {
    return this.#note !== undefined;
  }

  draw({ columns, rows }: Size): string[] {
    const width = Math.max(1, columns);
    const below = this.#placedBelow(width, rows);
    const height = Math.max(0, rows - below.length);
    const words = this.#search?.text ?? "";
    const shown = height === 0 ? [] : this.#place.rows().map((row) => markWords(row, words));
    const empty = Array.from({ length: height - shown.length }, (): Line => []);
    const { colour } = this.#options;
    return [...shown, ...empty, ...below].slice(-rows).map((row) => paintLine(cutLine(row, width), { colour }));
  }

  key(key: Key): void {
    this.#note = undefined;
    if (this.#search) this.#searchKey(this.#search, key);
    else if (!this.#placeKey(key) && !this.#answerKey(key)) this.#lineKey(key);
    this.#options.refresh();
  }

  #surroundings(): Surroundings {
    const { questions } = this.#options;
    return {
      nowMs: performance.now(),
      turnsEnded: this.conversation.turnsEnded,
      hasEnded: this.connection === "ended",
      isOpen: (requestId) => questions.has(requestId),
    };
  }

  /** The hint to scroll takes a row, and is there only where it is true without it. */
  #placedBelow(width: number, rows: number): Line[] {
    const placed = (isCallAbove: boolean) => {
      const below = this.#belowRows({ width, rows, isCallAbove });
      this.#place.resize({ width, height: Math.max(0, rows - below.length) });
      return below;
    };
    const below = placed(false);
    const { first } = this.#options.questions;
    if (!first || !this.#place.isAbove(this.conversation.questionAt(first.request_id))) return below;
    return placed(true);
  }

  #belowRows({ width, rows, isCallAbove }: { width: number; rows: number; isCallAbove: boolean }): Line[] {
    const { questions } = this.#options;
    if (this.#note && isOver(this.#note, this.#surroundings())) this.#note = undefined;
    const { first } = questions;
    if (first?.request_id !== this.#asked?.id)
      this.#asked = first && { id: first.request_id, sinceMs: performance.now() };
    const asked = first
      ? questionRows(first, {
          width,
          rowsMax: Math.max(2, Math.floor(rows / 2)),
          more: questions.count - 1,
          isCallAbove,
        })
      : [];
    const facts: Facts = {
      view: this.view,
      turnSinceMs: this.conversation.turnSince,
      nowMs: Date.now(),
      connection: this.connection,
      readShare: this.readShare,
      exitCode: this.exitCode,
      isAtEnd: this.#place.isAtEnd,
    };
    return [
      ...(rows >= 10 ? [plain("─".repeat(width), "dim")] : []),
      ...asked,
      ...(this.#note ? [this.#note.line] : []),
      statusLine(facts, width),
      ...this.#typedRows(width, first),
    ];
  }

  #typedRows(width: number, question: InputRequired | undefined): Line[] {
    if (this.#search)
      return editRows(this.#search, { lead: "search › ", width, hint: "Enter older · ↓ newer · Esc ends" });
    const lead = question?.kind === "question" ? "answer › " : "› ";
    return editRows(this.#line, { lead, width, hint: this.connection === "ended" ? endedHint : hint });
  }

  /** Keys that move about. True when it was one. */
  #placeKey(key: Key): boolean {
    const isEmpty = this.#line.text === "";
    if (key.name === "page-up") this.#place.page(-1);
    else if (key.name === "page-down") this.#place.page(1);
    else if (key.name === "up") this.#place.scroll(-1);
    else if (key.name === "down") this.#place.scroll(1);
    else if (key.name === "home" && isEmpty) this.#place.toStart();
    else if (key.name === "end" && isEmpty) this.#place.toEnd();
    else if (key.name === "tab") this.#place.select(-1);
    else if (key.name === "back-tab") this.#place.select(1);
    else if (key.name === "escape") this.#back();
    else if (key.name === "enter" && isEmpty && this.#place.selected) this.#place.toggle();
    else if (key.name === "ctrl" && key.letter === "o") this.#place.toggleAll();
    else if (key.name === "ctrl" && key.letter === "f") this.#search = emptyLine;
    else return false;
    return true;
  }

  #back(): void {
    this.#place.unselect();
    this.#place.toEnd();
  }

  /** Single keys for an open question, as long as nothing is typed. True when it was one. */
  #answerKey(key: Key): boolean {
    const { first } = this.#options.questions;
    if (!first || key.name !== "text" || key.isPasted || this.#line.text !== "") return false;
    // Someone in the midst of typing must not answer by accident.
    if (this.#asked === undefined || performance.now() - this.#asked.sinceMs < typingMs) return false;
    const typed = typedBy(key.text, first);
    if (typed) this.#options.act(typed);
    return typed !== undefined;
  }

  #lineKey(key: Key): void {
    const { text } = this.#line;
    if (key.name === "ctrl" && key.letter === "c") return this.#options.interrupt();
    if (key.name === "ctrl" && key.letter === "d") {
      if (text === "") return this.#options.leave();
      return this.note("The line is not empty: Ctrl+U, then Ctrl+D", { what: "moment" });
    }
    if (key.name === "enter") return this.#submit(text);
    this.#line = edited(this.#line, key) ?? this.#line;
  }

  #submit(text: string): void {
    if (this.connection === "ended" && text === "") return this.#options.leave();
    this.#line = emptyLine;
    this.#back();
    const typed = readTyped(text);
    const isAnswer = typed.type === "prompt" && !text.startsWith("//") && !text.startsWith("/");
    if (isAnswer && this.#options.questions.first?.kind === "question") this.#options.act({ type: "answer", text });
    else this.#options.act(typed);
  }

  #searchKey(search: EditLine, key: Key): void {
    if (key.name === "escape" || (key.name === "ctrl" && "cdf".includes(key.letter))) {
      this.#search = undefined;
      return this.#place.endSearch();
    }
    if (key.name === "page-up") return this.#place.page(-1);
    if (key.name === "page-down") return this.#place.page(1);
    if (key.name === "enter" || key.name === "up" || key.name === "down") {
      const isFound = search.text !== "" && this.#place.find(search.text, key.name === "down" ? 1 : -1);
      if (!isFound) this.note("Found no more", { what: "moment" });
      return;
    }
    const next = edited(search, key);
    if (!next) return;
    if (next.text !== search.text) this.#place.endSearch();
    this.#search = next;
  }
}

function typedBy(text: string, question: InputRequired): Typed | undefined {
  const request = question.request_id;
  if (question.kind === "question") {
    const count = /^[1-9]$/.test(text) ? Number(text) : 0;
    return isOneChoice(question) && count > 0 && count <= question.options.length
      ? { type: "answer", text }
      : undefined;
  }
  if (text === "a") return { type: "approve", isForSession: false, request };
  if (text === "s" && question.options.some(({ id }) => id === "approve_session"))
    return { type: "approve", isForSession: true, request };
  return text === "d" ? { type: "deny", reason: undefined, request } : undefined;
}
