/** One session in the page: the end of its log, what comes, and what stood before it; its view asked for while it lives. */
import { signal } from "@preact/signals";
import { pause } from "../../client/retry.ts";
import type { SessionView } from "../../protocol/http.ts";
import { client, noteFault } from "../page/standing.ts";
import { Conversation } from "./conversation.ts";
import { LineReader } from "./line-reader.ts";
import { readBack, readSpan } from "./log-lines.ts";
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
  readonly fault = signal("");
  readonly past: Past;
  readonly #over = new AbortController();
  #drawing: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string) {
    this.id = id;
    this.reader = new LineReader({
      conversation: this.conversation,
      read: (span) => readSpan(id, span, this.#over.signal),
      gapMax,
      onRead: () => this.#draw(),
      onFault: (error) => this.note(error),
    });
    this.past = new Past({
      conversation: this.conversation,
      signal: this.#over.signal,
      read: (before) => readBack(id, before, this.#over.signal),
      onRead: () => this.#draw(),
      onFault: (error) => this.note(error),
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

  note(error: unknown): void {
    if (!this.#over.signal.aborted) this.fault.value = noteFault(error);
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
      // The end first, of however long a log; what stands before it is read meanwhile.
      await this.refresh();
      await this.#openAtEnd(this.view.value?.log_bytes ?? 0);
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
      if (!over.aborted) await this.refresh();
    } catch (error) {
      this.note(error);
    }
  }

  async #openAtEnd(bytes: number): Promise<void> {
    if (bytes === 0) return;
    const { lines, span } = await readBack(this.id, bytes, this.#over.signal);
    this.conversation.offset = span.end;
    this.conversation.takeEarlier(lines, span.start);
    this.#draw();
  }

  async #look(): Promise<void> {
    const { signal: over } = this.#over;
    let lost = "";
    while (!over.aborted && !this.conversation.exit) {
      try {
        if (!document.hidden || !this.view.value) await this.refresh();
        // Back again: what was said of its absence is no longer so.
        if (lost !== "" && this.fault.value === lost) this.fault.value = "";
      } catch (error) {
        this.note(error);
        if (!this.view.value) return;
        lost = this.fault.value;
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
