/** What stands in a log before what was read of it: read backwards, piece by piece, when somebody comes near. */
import { pause } from "../../client/retry.ts";
import type { Conversation } from "./conversation.ts";
import type { Located } from "./line-reader.ts";

/** Read at once, so that of most sessions all is there; further back only when somebody looks. */
const eagerBytes = 32 * 1024 * 1024;
/** Beyond so many items nothing is read any more: 47 bytes each. */
const itemsMax = 1_000_000;
/** After a piece that could not be read: a list that is drawn wants it each time. */
const restMs = 1000;

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
  /** Resolves with whether it was read. */
  #reading: Promise<boolean> | undefined;
  #isResting = false;

  constructor(options: PastOptions) {
    this.#options = options;
  }

  /** Whether there is more, and it may be read. */
  get hasMore(): boolean {
    const { start, items } = this.#options.conversation;
    return start > 0 && items.count < itemsMax;
  }

  /** The next piece, unless one is on its way. One that could not be read is tried again when it is wanted again. */
  want(): void {
    if (!this.#isResting && this.hasMore) void this.#next();
  }

  /** Until that offset has been read, or no more may or can be. */
  async backTo(offset: number, signal: AbortSignal, onRead?: () => void): Promise<void> {
    while (this.#options.conversation.start > offset && this.hasMore && !signal.aborted) {
      if (!(await this.#next())) return;
      onRead?.();
    }
  }

  async readEagerly(): Promise<void> {
    const { conversation, signal } = this.#options;
    await this.backTo(Math.max(0, conversation.start - eagerBytes), signal);
  }

  #next(): Promise<boolean> {
    this.#reading ??= this.#readPiece();
    return this.#reading;
  }

  async #readPiece(): Promise<boolean> {
    const { conversation, signal, read, onRead, onFault } = this.#options;
    try {
      const { lines, span } = await read(conversation.start);
      if (signal.aborted) return false;
      conversation.takeEarlier(lines, span.start);
      onRead();
      return true;
    } catch (error) {
      this.#isResting = true;
      void pause(restMs, signal).then(() => {
        this.#isResting = false;
      });
      onFault(error);
      return false;
    } finally {
      this.#reading = undefined;
    }
  }
}
