/** What stands in a log before what was read of it: read backwards, piece by piece, when somebody comes near. */
import type { Conversation } from "./conversation.ts";
import type { Located } from "./line-reader.ts";

/** Read at once, so that of most sessions all is there; further back only when somebody looks. */
const eagerBytes = 32 * 1024 * 1024;
/** Beyond so many items nothing is read any more: 47 bytes each. */
const itemsMax = 1_000_000;

export interface PastOptions {
  conversation: Conversation;
  signal: AbortSignal;
  /** Some of the lines before, and where they begin. */
  read(before: number): Promise<{ lines: readonly Located[]; span: { start: number } }>;
  onRead(): void;
  onFault(error: unknown): void;
}

export class Past {
  readonly #options: PastOptions;
  #reading: Promise<void> | undefined;
  #hasFailed = false;

  constructor(options: PastOptions) {
    this.#options = options;
  }

  /** Whether there is more, and it may be read. */
  get hasMore(): boolean {
    const { start, items } = this.#options.conversation;
    return start > 0 && items.count < itemsMax && !this.#hasFailed;
  }

  /** The next piece, unless one is on its way. */
  want(): void {
    if (!this.#reading && this.hasMore) this.#reading = this.#readPiece();
  }

  /** Until that offset has been read, or no more may be. */
  async backTo(offset: number, signal: AbortSignal): Promise<void> {
    while (this.#options.conversation.start > offset && this.hasMore && !signal.aborted) {
      this.want();
      await this.#reading;
    }
  }

  async readEagerly(): Promise<void> {
    const { conversation, signal } = this.#options;
    await this.backTo(Math.max(0, conversation.start - eagerBytes), signal);
  }

  async #readPiece(): Promise<void> {
    const { conversation, signal, read, onRead, onFault } = this.#options;
    try {
      const { lines, span } = await read(conversation.start);
      if (signal.aborted) return;
      conversation.takeEarlier(lines, span.start);
      onRead();
    } catch (error) {
      this.#hasFailed = true;
      onFault(error);
    } finally {
      this.#reading = undefined;
    }
  }
}
