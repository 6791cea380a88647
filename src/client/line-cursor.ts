/**
 * Where a reader stands in a session's log, and the torn line in its hand. Bytes of frames in, whole lines out;
 * a connection may break at any byte and the next one goes on after the last whole line.
 */
import { LineSplitter } from "../protocol/ndjson.ts";

export type Pushed =
  | { type: "lines"; lines: string[] }
  /** The bytes between `from` and `start` are gone for good; `lines` are what follows. */
  | { type: "gap"; from: number; start: number; lines: string[] }
  /** The frame begins after what we have, and nobody said why: ask again from `since`. */
  | { type: "missed" };

const newline = 0x0a;

export class LineCursor {
  readonly #from: number;
  #splitter = newSplitter();
  /** After the last whole line. */
  #whole: number;
  /** After the last byte. */
  #received: number;
  /** `from` may be inside a line. We ask from one byte earlier and drop everything up to a newline: none of it, if a line ends there. */
  #hasTornHead: boolean;
  #hasData = false;

  constructor(options: { from: number }) {
    this.#from = options.from;
    this.#hasTornHead = options.from > 0;
    this.#whole = Math.max(0, options.from - 1);
    this.#received = this.#whole;
  }

  /** What to ask the daemon for. */
  get since(): number {
    return this.#whole;
  }

  /** What a later reader passes to go on exactly here. */
  get offset(): number {
    return this.#hasTornHead ? this.#from : this.#whole;
  }

  /** The connection is gone: what came of the last line will come again. */
  restart(): void {
    this.#splitter = newSplitter();
    this.#received = this.#whole;
  }

  /**
   * Bytes of a live frame. Text by contract; an older daemon sends unmarked base64 when its chunk is not UTF-8,
   * and only the offset tells which it was.
   */
  decode(data: string, end: number): Buffer {
    const text = Buffer.from(data, "utf8");
    const expected = end - this.#received;
    if (text.length === expected || !/^[A-Za-z0-9+/]+={0,2}$/.test(data)) return text;
    const decoded = Buffer.from(data, "base64");
    return decoded.length === expected ? decoded : text;
  }

  /** `bytes` end at offset `end`. `isGap`: the daemon says that what was asked for is gone. */
  push(bytes: Buffer, end: number, options: { isGap: boolean } = { isGap: false }): Pushed {
    const start = end - bytes.length;
    const from = this.offset;
    const isFirst = !this.#hasData;
    this.#hasData = true;
    if (start > this.#received) {
      if (!options.isGap) return { type: "missed" };
      this.#jump(start);
      const lines = this.#split(bytes, end);
      return start > from ? { type: "gap", from, start, lines } : { type: "lines", lines };
    }
    // Asked for more than there is: the daemon goes on at its real end, which is a line's end.
    if (isFirst && start < this.#received) this.#jump(start);
    return { type: "lines", lines: this.#split(bytes.subarray(this.#received - start), end) };
  }

  /** The line that the session's end has torn, if any. */
  end(): string | undefined {
    return this.#splitter.end();
  }

  #jump(to: number): void {
    this.#splitter = newSplitter();
    this.#hasTornHead = false;
    this.#whole = to;
    this.#received = to;
  }

  #split(bytes: Buffer, end: number): string[] {
    if (bytes.length === 0) return [];
    let rest = bytes;
    if (this.#hasTornHead) {
      const lineEnd = bytes.indexOf(newline);
      this.#received = end;
      if (lineEnd === -1) return [];
      this.#hasTornHead = false;
      rest = bytes.subarray(lineEnd + 1);
    }
    const lines = this.#splitter.push(rest);
    this.#received = end;
    this.#whole = end - this.#splitter.pendingBytes;
    return lines;
  }
}

/** The daemon moves what is longer than 8 MiB into blobs, so no line comes near this. */
const lineBytesMax = 512 * 1024 * 1024;

function newSplitter(): LineSplitter {
  return new LineSplitter({
    lineBytesMax,
    onOverflow: () => {
      throw new RangeError(`Cannot read the session's log: a line is longer than ${lineBytesMax} bytes`);
    },
  });
}
