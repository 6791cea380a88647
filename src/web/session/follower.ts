/** One session in the page: the end of its log, what comes, and what stood before it; its view asked for while it lives. */
import { signal } from "@preact/signals";
import { canPass, pause } from "../../client/retry.ts";
import { readLogRange } from "../../client/sessions.ts";
import type { SessionView } from "../../protocol/http.ts";
import { address, client, noteFault } from "../page/standing.ts";
import { Conversation } from "./conversation.ts";
import { Faults } from "./faults.ts";
import { LineReader } from "./line-reader.ts";
import { type ReadBytes, readBack, readSpan } from "./log-lines.ts";
import { Past } from "./past.ts";
import { searchLog } from "./search-log.ts";
import type { Thread } from "./thread.ts";

/** How often what came is drawn, and the view asked for. */
const drawMs = 50;
const viewMs = 2000;
/** Spans nearer than this are read as one. */
const gapMax = 32 * 1024;

export class Follower implements Thread {
  readonly id: string;
  readonly conversation = new Conversation();
  readonly reader: LineReader;
  /** Counts what is to be drawn. */
  readonly version = signal(0);
  readonly view = signal<SessionView | undefined>(undefined);
  readonly past: Past;
  readonly #over = new AbortController();
  readonly faults = new Faults({ over: this.#over.signal, wordsOf: noteFault });
  readonly #readBytes: ReadBytes = ({ start: from, end: to }) =>
    readLogRange(address(), { id: this.id, from, to, signal: this.#over.signal });
  #drawing: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string) {
    this.id = id;
    const read = this.#readBytes;
    this.reader = new LineReader({
      conversation: this.conversation,
      read: (span) => this.faults.persist("lines", () => readSpan(read, span)),
      gapMax,
      onRead: () => this.#draw(),
      onFault: (error) => this.faults.noteOf("lines", error),
    });
    this.past = new Past({
      conversation: this.conversation,
      signal: this.#over.signal,
      read: (before) => this.faults.persist("past", () => readBack(read, before)),
      onRead: () => this.#draw(),
      onFault: (error) => this.faults.noteOf("past", error),
    });
  }

  /** Returns how to stop it. */
  start(): () => void {
    void this.#follow();
    void this.#look();
    return () => {
      this.#over.abort();
      clearTimeout(this.#drawing);
    };
  }

  get handle() {
    return client().sessions.at(this.id);
  }

  wantEarlier(): void {
    this.past.want();
  }

  search(words: string, signal: AbortSignal): Promise<number | undefined> {
    return searchLog(this, words, signal);
  }

  async refresh(): Promise<void> {
    this.view.value = await this.handle.view();
  }

  async #follow(): Promise<void> {
    const { signal: over } = this.#over;
    try {
      await this.faults.persist("opening", () => this.#open());
      void this.past.readEagerly();
      let start = this.conversation.offset;
      for await (const event of this.handle.events({
        since: start,
        signal: over,
        giveUpAfterMs: Number.POSITIVE_INFINITY,
      })) {
        this.conversation.take(event, { start, end: event.offset });
        start = event.offset;
        this.#draw();
      }
      if (!over.aborted) await this.faults.persist("opening", () => this.refresh());
    } catch (error) {
      this.faults.noteOf("opening", error);
    }
  }

  /** The end first, of however long a log; what stands before it is read meanwhile. */
  async #open(): Promise<void> {
    await this.refresh();
    const bytes = this.view.value?.log_bytes ?? 0;
    if (bytes === 0) return;
    const { lines, span } = await readBack(this.#readBytes, bytes);
    this.conversation.offset = span.end;
    this.conversation.takeEarlier(lines, span.start);
    this.#draw();
  }

  async #look(): Promise<void> {
    const { signal: over } = this.#over;
    while (!over.aborted && !this.conversation.exit) {
      try {
        if (!document.hidden || !this.view.value) await this.refresh();
        // Back again: what was said of its absence is no longer so.
        this.faults.isWell("look");
      } catch (error) {
        this.faults.noteOf("look", error);
        if (!this.view.value && !canPass(error)) return;
      }
      await pause(viewMs, over);
    }
  }

  /** Not for each event: a screen is drawn so often and no more, also in a tab that nobody sees. */
  #draw(): void {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined;
      this.version.value++;
    }, drawMs);
  }
}
