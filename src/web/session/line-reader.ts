/** Reads again the lines of items that come into view and are no longer in memory, many of them by one request. */
import type { LogLine } from "../../protocol/line.ts";
import type { Conversation } from "./conversation.ts";
import type { Span } from "./item-table.ts";

const readMax = 1024 * 1024;

export interface Located {
  line: LogLine;
  span: Span;
}

export interface LineReaderOptions {
  conversation: Conversation;
  /** The lines that begin within a span. */
  read(span: Span): Promise<readonly Located[]>;
  /** Spans nearer than this are read as one. */
  gapMax: number;
  /** Told that there is more to show. */
  onRead(): void;
  onFault(error: unknown): void;
}

export class LineReader {
  readonly #options: LineReaderOptions;
  #wanted: readonly number[] = [];
  #isReading = false;

  constructor(options: LineReaderOptions) {
    this.#options = options;
  }

  /** What is looked at and not there. What was wanted before and is no longer looked at is not read. */
  want(indexes: readonly number[]): void {
    this.#wanted = indexes;
    if (!this.#isReading && indexes.length > 0) void this.#readAll();
  }

  async #readAll(): Promise<void> {
    const { conversation, onRead, onFault } = this.#options;
    this.#isReading = true;
    try {
      for (;;) {
        const batch = this.#wanted.filter((index) => !conversation.lines.get(index));
        this.#wanted = [];
        if (batch.length === 0) return;
        const spans = batch.flatMap((index) => spansOf(conversation, index));
        const lines: Located[] = [];
        for (const group of groups(spans, this.#options.gapMax)) lines.push(...(await this.#options.read(group)));
        for (const index of batch) {
          const own = spansOf(conversation, index);
          const found = lines.filter(({ span: { start } }) =>
            own.some((span) => start >= span.start && start < span.end),
          );
          const bytes = own.reduce((sum, span) => sum + span.end - span.start, 0);
          conversation.lines.set(
            index,
            found.map(({ line }) => line),
            bytes,
          );
        }
        onRead();
      }
    } catch (error) {
      onFault(error);
    } finally {
      this.#isReading = false;
    }
  }
}

function spansOf(conversation: Conversation, index: number): Span[] {
  const { span, second } = conversation.items.at(index);
  return second ? [span, second] : [span];
}

/** Neighbours as one, so that a screen costs a request or two. */
function groups(spans: readonly Span[], gapMax: number): Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && span.start - last.end <= gapMax && span.end - last.start <= readMax)
      last.end = Math.max(last.end, span.end);
    else merged.push({ ...span });
  }
  return merged;
}
