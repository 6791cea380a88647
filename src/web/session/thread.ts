/**
 * A conversation in the page, whatever it is fed by, a session's log or a chat's history: what was read of it, what is read when it
 * is looked at, what went wrong, and when it is drawn.
 */
import { signal } from "@preact/signals";
import { pause } from "../../client/retry.ts";
import { noteFault } from "../page/standing.ts";
import { Conversation } from "./conversation.ts";
import { Faults } from "./faults.ts";
import type { Span } from "./item-table.ts";
import { LineReader, type Located } from "./line-reader.ts";
import type { ReadBytes } from "./log-lines.ts";
import { Past } from "./past.ts";
import { LogSearch } from "./search-log.ts";

/** How often what came is drawn, and how it stands is asked for. */
const drawMs = 50;
const lookMs = 2000;

export interface ThreadSource {
  /** The lines that begin within a span. */
  readSpan(span: Span): Promise<readonly Located[]>;
  /** Spans nearer than this are read as one. */
  gapMax: number;
  /** Some of the lines before, the nearest, and where they begin. */
  readBefore(before: number): Promise<{ lines: readonly Located[]; span: { start: number } }>;
  /** Absent where nobody can search. */
  readBytes?: ReadBytes;
}

export class Thread {
  readonly conversation = new Conversation();
  readonly reader: LineReader;
  readonly past: Past;
  /** Absent where nobody can search. */
  readonly logSearch: LogSearch | undefined;
  /** Counts what is to be drawn. */
  readonly version = signal(0);
  readonly #isOpened = signal(false);
  readonly #over = new AbortController();
  readonly faults = new Faults({ over: this.#over.signal, wordsOf: noteFault });
  #drawing: ReturnType<typeof setTimeout> | undefined;

  constructor({ readSpan, gapMax, readBefore, readBytes }: ThreadSource) {
    const { conversation, faults, over } = this;
    const onRead = () => this.draw();
    this.reader = new LineReader({
      ...{ conversation, gapMax, onRead },
      read: (span) => faults.persist("lines", () => readSpan(span)),
      onFault: (error) => faults.noteOf("lines", error),
    });
    this.past = new Past({
      ...{ conversation, signal: over, onRead },
      read: (before) => faults.persist("past", () => readBefore(before)),
      onFault: (error) => faults.noteOf("past", error),
    });
    this.logSearch = readBytes && new LogSearch({ conversation, past: this.past, readBytes });
  }

  /** Whether what it begins with was read: what is not there then is nowhere. */
  get isOpened(): boolean {
    return this.#isOpened.value;
  }

  opened(): void {
    this.#isOpened.value = true;
    this.draw();
  }

  /** Nobody looks any more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Somebody comes near to the first that was read: what stands before it is read, if there is any. */
  wantEarlier(): void {
    this.past.want();
  }

  /** Not for each event: a screen is drawn so often and no more, also in a tab that nobody sees. */
  draw(): void {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined;
      this.version.value++;
    }, drawMs);
  }

  /** Asks how it stands, now and then, while somebody sees the page. */
  async look(refresh: () => Promise<unknown>, isDone: (fault?: unknown) => boolean = () => false): Promise<void> {
    while (!this.over.aborted && !isDone()) {
      await pause(lookMs, this.over);
      if (this.over.aborted || document.hidden) continue;
      try {
        await refresh();
        // Back again: what was said of its absence is no longer so.
        this.faults.isWell("look");
      } catch (error) {
        this.faults.noteOf("look", error);
        if (isDone(error)) return;
      }
    }
  }

  end(): void {
    this.#over.abort();
    clearTimeout(this.#drawing);
  }
}
