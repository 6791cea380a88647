/** One session in the page: its log followed from the beginning, its view asked for while it lives. */
import { signal } from "@preact/signals";
import { pause } from "../../client/retry.ts";
import type { SessionView } from "../../protocol/http.ts";
import { address, client, noteFault } from "../page/standing.ts";
import { Conversation } from "./conversation.ts";
import { LineReader } from "./line-reader.ts";

/** How often what came is drawn, and the view asked for. */
const drawMs = 50;
const viewMs = 2000;

export class Follower {
  readonly id: string;
  readonly conversation = new Conversation();
  readonly reader: LineReader;
  /** Counts what is to be drawn. */
  readonly version = signal(0);
  readonly view = signal<SessionView | undefined>(undefined);
  readonly fault = signal("");
  readonly #over = new AbortController();
  #drawing: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string) {
    this.id = id;
    this.reader = new LineReader({
      id,
      conversation: this.conversation,
      address,
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

  async refresh(): Promise<void> {
    this.view.value = await this.handle.view();
  }

  async #follow(): Promise<void> {
    const { signal: over } = this.#over;
    let start = 0;
    try {
      for await (const event of this.handle.events({ signal: over, giveUpAfterMs: Number.POSITIVE_INFINITY })) {
        this.conversation.take(event, { start, end: event.offset });
        start = event.offset;
        this.#draw();
      }
      if (!over.aborted) await this.refresh();
    } catch (error) {
      this.note(error);
    }
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
