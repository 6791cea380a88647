/**
 * Chunks in, whole lines out. A line may have any length: past the limit its bytes are handed to an
 * overflow sink piece by piece instead of being kept, so memory stays bounded.
 */

/** Takes the bytes of one line that is over the limit. */
export interface Overflow {
  write(bytes: Buffer): void;
  /** The line has ended, with a newline or with the stream. */
  end(): void;
}

export interface LineSplitterOptions {
  /** Longest line kept in memory, in bytes. */
  lineBytesMax: number;
  /** Called when a line passes the limit; gets every byte of it, the kept head included. */
  onOverflow: () => Overflow;
}

const newline = 0x0a;
const none: string[] = [];

export class LineSplitter {
  readonly #options: LineSplitterOptions;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #overflow: Overflow | undefined;

  constructor(options: LineSplitterOptions) {
    this.#options = options;
  }

  /** Bytes held of a line that has not ended yet. */
  get pendingBytes(): number {
    return this.#partialBytes;
  }

  /**
   * The lines that `chunk` completes, decoded as UTF-8 (bad bytes become U+FFFD), without their newline
   * and a carriage return before it. The caller must not reuse `chunk`. The limit holds for lines that must be
   * kept between calls; one that lies whole in `chunk` is in memory already and comes back whatever its length.
   */
  push(chunk: Buffer): string[] {
    const last = chunk.lastIndexOf(newline);
    if (last === -1) {
      this.#keep(chunk);
      return none;
    }
    let start = 0;
    let head: string | undefined;
    if (this.#overflow || this.#partialBytes > 0) {
      const first = chunk.indexOf(newline);
      this.#keep(chunk.subarray(0, first));
      head = this.#takeLine();
      start = first + 1;
    }
    const lines = start <= last ? chunk.toString("utf8", start, last).split("\n") : [];
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i];
      if (line?.endsWith("\r")) lines[i] = line.slice(0, -1);
    }
    if (head !== undefined) lines.unshift(head);
    if (last + 1 < chunk.length) this.#keep(chunk.subarray(last + 1));
    return lines;
  }

  /** The torn line at the end of the stream, or undefined when it ended on a line's end. */
  end(): string | undefined {
    if (!this.#overflow && this.#partialBytes === 0) return undefined;
    return this.#takeLine();
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#overflow) {
      this.#overflow.write(bytes);
      return;
    }
    this.#partial.push(bytes);
    this.#partialBytes += bytes.length;
    if (this.#partialBytes <= this.#options.lineBytesMax) return;
    this.#overflow = this.#options.onOverflow();
    for (const kept of this.#partial) this.#overflow.write(kept);
    this.#partial = [];
    this.#partialBytes = 0;
  }

  /** Ends the line in hand: its text, or undefined when it went to the overflow sink. */
  #takeLine(): string | undefined {
    if (this.#overflow) {
      this.#overflow.end();
      this.#overflow = undefined;
      return undefined;
    }
    const line = Buffer.concat(this.#partial).toString("utf8");
    this.#partial = [];
    this.#partialBytes = 0;
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}
