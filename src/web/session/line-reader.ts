/** Reads again the lines of items that come into view and are no longer in memory, many of them by one request. */
import type { DaemonAddress } from "../../client/address.ts";
import { readLogRange } from "../../client/sessions.ts";
import { type LogLine, parseLogLine } from "../../protocol/line.ts";
import type { Conversation } from "./conversation.ts";
import type { Span } from "./item-table.ts";

/** Spans nearer than this are read as one. */
const gapMax = 32 * 1024;
const readMax = 1024 * 1024;

export interface LineReaderOptions {
  id: string;
  conversation: Conversation;
  address(): DaemonAddress;
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
        const lines: { start: number; line: LogLine }[] = [];
        for (const group of groups(spans)) lines.push(...(await this.#read(group)));
        for (const index of batch) {
          const own = spansOf(conversation, index);
          const found = lines.filter(({ start }) => own.some((span) => start >= span.start && start < span.end));
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

  async #read({ start, end }: Span): Promise<{ start: number; line: LogLine }[]> {
    const { id, address } = this.#options;
    const bytes = await readLogRange(address(), { id, from: start, to: end });
    const decoder = new TextDecoder();
    const lines: { start: number; line: LogLine }[] = [];
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(0x0a, at);
      const lineEnd = newline === -1 ? bytes.length : newline;
      const line = parsed(decoder.decode(bytes.subarray(at, lineEnd)));
      if (line) lines.push({ start: start + at, line });
      at = lineEnd + 1;
    }
    return lines;
  }
}

function spansOf(conversation: Conversation, index: number): Span[] {
  const { span, second } = conversation.items.at(index);
  return second ? [span, second] : [span];
}

/** Neighbours as one, so that a screen costs a request or two. */
function groups(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last && span.start - last.end <= gapMax && span.end - last.start <= readMax)
      last.end = Math.max(last.end, span.end);
    else merged.push({ ...span });
  }
  return merged;
}

/** A file that was torn may hold what is none of our lines. */
function parsed(text: string): LogLine | undefined {
  try {
    return parseLogLine(text);
  } catch {
    return undefined;
  }
}
