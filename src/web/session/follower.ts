/** One session in the page: the end of its log, what comes, and what stood before it; its view asked for while it lives. */
import { signal } from "@preact/signals";
import { canPass } from "../../client/retry.ts";
import { readLogRange } from "../../client/sessions.ts";
import type { SessionView } from "../../protocol/http.ts";
import { address, client } from "../page/standing.ts";
import { type ReadBytes, readBack, readSpan } from "./log-lines.ts";
import { Thread } from "./thread.ts";

/** Spans nearer than this are read as one. */
const gapMax = 32 * 1024;

export class Follower {
  readonly id: string;
  readonly view = signal<SessionView | undefined>(undefined);
  /** There is none by that name, or whoever asks may not see it. */
  readonly isMissing = signal(false);
  readonly #readBytes: ReadBytes = ({ start: from, end: to }) =>
    readLogRange(address(), { id: this.id, from, to, signal: this.thread.over });
  readonly thread: Thread = new Thread({
    gapMax,
    readSpan: (span) => readSpan(this.#readBytes, span),
    readBefore: (before) => readBack(this.#readBytes, before),
    readBytes: this.#readBytes,
  });

  constructor(id: string) {
    this.id = id;
  }

  /** Returns how to stop it. */
  start(): () => void {
    const { thread } = this;
    void this.#follow();
    const isDone = (fault?: unknown) =>
      thread.conversation.exit !== undefined || (fault !== undefined && !this.view.value && !canPass(fault));
    void thread.look(() => this.refresh(), isDone);
    return () => thread.end();
  }

  get handle() {
    return client().sessions.at(this.id);
  }

  async refresh(): Promise<void> {
    this.view.value = await this.handle.view();
  }

  async #follow(): Promise<void> {
    const { conversation, faults, over, past } = this.thread;
    try {
      await faults.persist("opening", () => this.#open());
      void past.readEagerly();
      let start = conversation.offset;
      for await (const event of this.handle.events({
        since: start,
        signal: over,
        giveUpAfterMs: Number.POSITIVE_INFINITY,
      })) {
        conversation.take(event, { start, end: event.offset });
        start = event.offset;
        this.thread.draw();
      }
      if (!over.aborted) await faults.persist("opening", () => this.refresh());
    } catch (error) {
      this.isMissing.value = !over.aborted && !this.view.value;
      faults.noteOf("opening", error);
    }
  }

  /** The end first, of however long a log; what stands before it is read meanwhile. */
  async #open(): Promise<void> {
    const { conversation } = this.thread;
    await this.refresh();
    const bytes = this.view.value?.log_bytes ?? 0;
    if (bytes > 0) {
      const { lines, span } = await readBack(this.#readBytes, bytes);
      conversation.offset = span.end;
      conversation.takeEarlier(lines, span.start);
    }
    this.thread.opened();
  }
}
