/**
 * Words in the whole of a session, also in what was not read: its log is looked through page by page, from its end upwards or from
 * its beginning downwards, and what stands between what was found and what was read is read then. Holds a page at a time.
 */
import { knownLogLine, type LogLine } from "../../protocol/line.ts";
import { type Conversation, isShown } from "./conversation.ts";
import type { Span } from "./item-table.ts";
import { lineSpans, type ReadBytes, readBytesBack, readBytesOn, type WholeLines } from "./log-lines.ts";
import type { Past } from "./past.ts";
import { excerptWith } from "./shown-texts.ts";

export interface SearchAsked {
  words: string;
  direction: "up" | "down";
  /** Where it was when it was aborted the same words go on. */
  signal: AbortSignal;
  /** Told before each page, so that from the first on there is something to stop. */
  onProgress(progress: SearchProgress): void;
}

export interface SearchProgress {
  /** `reading`: it is found, and what follows it is read. */
  act: "searching" | "reading";
  doneBytes: number;
  ofBytes: number;
  /** When what is looked at was written. */
  at: number | undefined;
}

export interface Found {
  /** When it was written. */
  at: number;
  /** The words, and some of what stands around them. */
  excerpt: string;
  /** Of its item; undefined when it stands further up than is shown. */
  key: number | undefined;
}

export interface LogSearchOptions {
  conversation: Conversation;
  past: Pick<Past, "backTo" | "hasMore">;
  readBytes: ReadBytes;
}

interface FoundLine {
  line: LogLine;
  excerpt: string;
  span: Span;
}

export class LogSearch {
  readonly #options: LogSearchOptions;
  #words = "";
  /** What was found last is between them; the same words go on from there. */
  #upFrom = 0;
  #downFrom = 0;

  constructor(options: LogSearchOptions) {
    this.#options = options;
  }

  /** The next line with these words, the newest of all when they are new; undefined when there is no other that way, or it was aborted. */
  async next(asked: SearchAsked): Promise<Found | undefined> {
    if (asked.words.trim() === "") return undefined;
    if (asked.words !== this.#words) {
      this.#words = asked.words;
      this.#upFrom = this.#options.conversation.offset;
      this.#downFrom = 0;
    }
    const found = asked.direction === "up" ? await this.#lookUp(asked) : await this.#lookDown(asked);
    if (!found) return undefined;
    // Until it is shown it is what is found next.
    this.#upFrom = found.span.end;
    this.#downFrom = found.span.start;
    const key = await this.#reach(found, asked);
    if (asked.signal.aborted) return undefined;
    this.#upFrom = found.span.start;
    this.#downFrom = found.span.end;
    return { at: found.line.timestamp, excerpt: found.excerpt, key };
  }

  async #lookUp({ words, signal, onProgress }: SearchAsked): Promise<FoundLine | undefined> {
    const { conversation, readBytes } = this.#options;
    let at: number | undefined;
    while (this.#upFrom > 0) {
      const ofBytes = conversation.offset;
      onProgress({ act: "searching", doneBytes: ofBytes - this.#upFrom, ofBytes, at });
      const page = await readBytesBack(readBytes, this.#upFrom);
      if (signal.aborted) return undefined;
      const found = findIn(page, words, "up");
      if (found) return found;
      this.#upFrom = page.span.start;
      at = writtenAt(page);
    }
    this.#upFrom = conversation.offset;
    return undefined;
  }

  async #lookDown({ words, signal, onProgress }: SearchAsked): Promise<FoundLine | undefined> {
    const { conversation, readBytes } = this.#options;
    let at: number | undefined;
    while (this.#downFrom < conversation.offset) {
      onProgress({ act: "searching", doneBytes: this.#downFrom, ofBytes: conversation.offset, at });
      const page = await readBytesOn(readBytes, { start: this.#downFrom, end: conversation.offset });
      if (signal.aborted) return undefined;
      const found = findIn(page, words, "down");
      if (found) return found;
      if (page.bytes.length === 0) break;
      this.#downFrom = page.span.end;
      at = writtenAt(page);
    }
    this.#downFrom = 0;
    return undefined;
  }

  /** Reads back to what was found. Its item's key, or undefined when so much cannot be shown. */
  async #reach({ line, span: { start } }: FoundLine, { signal, onProgress }: SearchAsked): Promise<number | undefined> {
    const { conversation, past } = this.#options;
    const from = conversation.start;
    await past.backTo(start, signal, () => {
      const doneBytes = Math.min(from - conversation.start, from - start);
      onProgress({ act: "reading", doneBytes, ofBytes: from - start, at: line.timestamp });
    });
    if (conversation.start <= start) return conversation.items.indexHolding(start);
    if (!signal.aborted && past.hasMore)
      throw new Error("Found, but what stands between could not be read: search again for another try");
    return undefined;
  }
}

/** The one that is nearest in that direction. */
function findIn({ bytes, span }: WholeLines, words: string, direction: "up" | "down"): FoundLine | undefined {
  const decoder = new TextDecoder();
  // As they stand within JSON. Of most pages none is parsed.
  const written = JSON.stringify(words).slice(1, -1).toLowerCase();
  if (!decoder.decode(bytes).toLowerCase().includes(written)) return undefined;
  const spans = [...lineSpans(bytes)];
  if (direction === "up") spans.reverse();
  for (const { start, end } of spans) {
    const text = decoder.decode(bytes.subarray(start, end));
    if (!text.toLowerCase().includes(written)) continue;
    const line = knownLogLine(text);
    const excerpt = line && isShown(line) ? excerptWith(line, words) : undefined;
    if (line && excerpt !== undefined)
      return { line, excerpt, span: { start: span.start + start, end: span.start + end } };
  }
  return undefined;
}

/** When the first of them was; undefined where that line is none of ours. */
function writtenAt({ bytes }: WholeLines): number | undefined {
  for (const { start, end } of lineSpans(bytes))
    return knownLogLine(new TextDecoder().decode(bytes.subarray(start, end)))?.timestamp;
  return undefined;
}
