/** All sessions on the whole terminal: a table that is sorted and filtered by keys, and one session that is chosen. */
import type { SessionView } from "../../src/protocol/http.ts";
import { formatCost } from "../figures.ts";
import { plainLine } from "../plain-text.ts";
import type { Key, Scene, Size } from "../screen.ts";
import type { NoteAbout } from "../typed-acts.ts";
import { type EditLine, edited, editRows, emptyLine } from "./edit-line.ts";
import { isOver, type PassingNote, passingNote, type Surroundings } from "./passing-note.ts";
import { stateOf, tableRows, tokensOf } from "./session-columns.ts";
import { cutLine, type Line, paintLine, plain } from "./styled-line.ts";

type NoteAboutAll = Extract<NoteAbout, { what: "reader" | "moment" }>;

export interface SessionsSceneOptions {
  colour: boolean;
  isAll: boolean;
  selected: string | undefined;
  refresh(): void;
  attach(id: string): void;
  interrupt(view: SessionView): void;
  stop(view: SessionView): void;
  /** Others are wanted: all, or only those that live. */
  ask(): void;
  leave(): void;
}

const order = ["asks you", "retrying", "paused", "busy", "starting", "idle"];
const rank = (view: SessionView) => (order.indexOf(stateOf(view)) + order.length + 1) % (order.length + 1);
const recent = (view: SessionView) => Date.parse(view.last_activity ?? view.created_at);

/** What needs a person comes first, then what was last at work. */
const sorts: readonly { name: string; compare(one: SessionView, other: SessionView): number }[] = [
  { name: "what needs you", compare: (one, other) => rank(one) - rank(other) || recent(other) - recent(one) },
  { name: "age", compare: (one, other) => Date.parse(other.created_at) - Date.parse(one.created_at) },
  { name: "cost", compare: (one, other) => (other.cost_usd ?? 0) - (one.cost_usd ?? 0) },
  { name: "tokens", compare: (one, other) => tokensOf(other) - tokensOf(one) },
  { name: "name", compare: (one, other) => (one.name ?? "~").localeCompare(other.name ?? "~") },
];

export class SessionsScene implements Scene {
  isAll: boolean;
  /** Why what is shown is not news. */
  fault: string | undefined;
  /** By session id. */
  readonly lastWords = new Map<string, string>();
  readonly #options: SessionsSceneOptions;
  #views: readonly SessionView[] | undefined;
  #selected: string | undefined;
  #sort = 0;
  #isReversed = false;
  #filter: EditLine = emptyLine;
  #isFiltering = false;
  #toStop: SessionView | undefined;
  #note: PassingNote | undefined;
  #top = 0;
  #height = 10;

  constructor(options: SessionsSceneOptions) {
    this.#options = options;
    this.isAll = options.isAll;
    this.#selected = options.selected;
  }

  set views(views: readonly SessionView[]) {
    this.#views = views;
    this.#options.refresh();
  }

  /** One line for the person, until the next key or until it is no longer true. */
  note(text: string, about: NoteAboutAll): void {
    this.#note = passingNote(text, about, surroundings());
    this.#options.refresh();
  }

  /** What is on the screen may be over though nothing came. */
  get hasNote(): boolean {
    return this.#note !== undefined;
  }

  /** Those on the screen. */
  get seen(): SessionView[] {
    return this.#shown().slice(this.#top, this.#top + this.#height);
  }

  draw({ columns: width, rows }: Size): string[] {
    const shown = this.#shown();
    const below = this.#belowRows(width);
    this.#height = Math.max(1, rows - below.length - 2);
    const at = this.#place(shown);
    this.#top = Math.max(0, Math.min(this.#top, at, shown.length - 1));
    if (at >= this.#top + this.#height) this.#top = at - this.#height + 1;
    const seen = shown.slice(this.#top, this.#top + this.#height);
    const table = tableRows(
      seen.map((view, i) => ({
        view,
        lastWord: this.lastWords.get(view.session_id) ?? "",
        isSelected: this.#top + i === at,
      })),
      { width, nowMs: Date.now() },
    );
    const lines: Line[] = [this.#head(shown), ...(shown.length > 0 ? table : [plain(this.#emptyWords(), "dim")])];
    const space = Array.from({ length: Math.max(0, rows - lines.length - below.length) }, (): Line => []);
    const { colour } = this.#options;
    return [...lines, ...space, ...below].slice(0, rows).map((line) => paintLine(cutLine(line, width), { colour }));
  }

  key(key: Key): void {
    if (key.name !== "text") return this.#oneKey(key);
    if (key.isPasted) return this.#isFiltering ? this.#oneKey(key) : undefined;
    // Here each character is a key.
    for (const text of key.text) this.#oneKey({ name: "text", text });
  }

  #oneKey(key: Key): void {
    this.#note = undefined;
    if (this.#toStop) this.#confirm(this.#toStop, key);
    else if (this.#isFiltering) this.#filterKey(key);
    else if (!this.#moveKey(key)) this.#actKey(key);
    this.#options.refresh();
  }

  #shown(): SessionView[] {
    const words = this.#filter.text.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (view: SessionView) => {
      const text = [view.session_id, view.name, view.agent, view.model, stateOf(view), view.work_dir].join(" ");
      return words.every((word) => text.toLowerCase().includes(word));
    };
    const compare = sorts[this.#sort]?.compare ?? (() => 0);
    const sorted = (this.#views ?? []).filter(matches).sort(compare);
    return this.#isReversed ? sorted.reverse() : sorted;
  }

  #place(shown: readonly SessionView[]): number {
    return Math.max(
      0,
      shown.findIndex((view) => view.session_id === this.#selected),
    );
  }

  #head(shown: readonly SessionView[]): Line {
    const busy = shown.filter((view) => stateOf(view) === "busy").length;
    const asking = shown.filter((view) => stateOf(view) === "asks you").length;
    const cost = shown.reduce((sum, view) => sum + (view.cost_usd ?? 0), 0);
    return [
      { text: "agentd top", style: "bold" },
      {
        text: ` · ${shown.length} ${this.isAll ? (shown.length === 1 ? "session" : "sessions") : "live"} · ${busy} busy`,
      },
      ...(asking > 0 ? [{ text: ` · ${asking} ${asking === 1 ? "asks" : "ask"} you`, style: "yellow" as const }] : []),
      {
        text: ` · ${formatCost(cost)} · by ${sorts[this.#sort]?.name}${this.#isReversed ? ", reversed" : ""}`,
        style: "dim",
      },
    ];
  }

  #emptyWords(): string {
    if (this.#views === undefined) return this.fault === undefined ? "Asking the daemon…" : "";
    if (this.#filter.text !== "") return "No session fits the filter: Esc ends it";
    return this.isAll ? "No sessions" : "No live sessions: a shows those that have ended";
  }

  #belowRows(width: number): Line[] {
    const rows: Line[] = [];
    if (this.fault !== undefined) rows.push(plain(`✗ ${this.fault}`, "red"));
    if (this.#note && isOver(this.#note, surroundings())) this.#note = undefined;
    if (this.#note) rows.push(this.#note.line);
    if (this.#toStop)
      rows.push(plain(`Stop session ${nameOf(this.#toStop)}? y stops it, any other key does not`, "yellow"));
    else if (this.#isFiltering || this.#filter.text !== "")
      rows.push(
        ...editRows(this.#filter, { lead: "filter › ", width, hint: "words of id, name, agent, state, folder" }),
      );
    rows.push(plain("Enter attach · i interrupt · x stop · s sort · r reverse · / filter · a all · q leave", "dim"));
    return rows;
  }

  #moveKey(key: Key): boolean {
    const step =
      key.name === "up" || isLetter(key, "k")
        ? -1
        : key.name === "down" || isLetter(key, "j")
          ? 1
          : key.name === "page-up"
            ? -this.#height
            : key.name === "page-down"
              ? this.#height
              : key.name === "home"
                ? -Infinity
                : key.name === "end"
                  ? Infinity
                  : 0;
    if (step === 0) return false;
    const shown = this.#shown();
    const to = Math.max(0, Math.min(shown.length - 1, this.#place(shown) + step));
    this.#selected = shown[to]?.session_id;
    return true;
  }

  #actKey(key: Key): void {
    const shown = this.#shown();
    const view = shown[this.#place(shown)];
    const { attach, interrupt, leave, ask } = this.#options;
    if (isLetter(key, "q") || (key.name === "ctrl" && "cd".includes(key.letter))) return leave();
    if (key.name === "escape") this.#filter = emptyLine;
    else if (isLetter(key, "s")) this.#sort = (this.#sort + 1) % sorts.length;
    else if (isLetter(key, "r")) this.#isReversed = !this.#isReversed;
    else if (isLetter(key, "/")) this.#isFiltering = true;
    else if (isLetter(key, "a")) {
      this.isAll = !this.isAll;
      ask();
    } else if (view) {
      if (key.name === "enter") attach(view.session_id);
      else if (isLetter(key, "i")) interrupt(view);
      else if (isLetter(key, "x")) this.#askToStop(view);
    }
    // What was chosen by its place stays chosen when others come before it.
    this.#selected = view?.session_id;
  }

  #askToStop(view: SessionView): void {
    if (view.ended_at === undefined) this.#toStop = view;
    else this.note(`Session ${nameOf(view)} has ended already`, { what: "moment" });
  }

  #confirm(view: SessionView, key: Key): void {
    this.#toStop = undefined;
    if (isLetter(key, "y")) this.#options.stop(view);
  }

  #filterKey(key: Key): void {
    if (key.name === "enter") this.#isFiltering = false;
    else if (key.name === "escape" || (key.name === "ctrl" && "cd".includes(key.letter))) {
      this.#isFiltering = false;
      this.#filter = emptyLine;
    } else this.#filter = edited(this.#filter, key) ?? this.#filter;
  }
}

/** Of all sessions together there is only the time: no turn, end or question is theirs. */
function surroundings(): Surroundings {
  return { nowMs: performance.now(), turnsEnded: 0, hasEnded: false, isOpen: () => false };
}

export function nameOf(view: SessionView): string {
  return plainLine(view.name ?? view.session_id.slice(0, 8), 40);
}

function isLetter(key: Key, letter: string): boolean {
  return key.name === "text" && key.text === letter;
}
