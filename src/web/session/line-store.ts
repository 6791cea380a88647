/** The lines of the items that were looked at last, by item: what does not fit is read from the log again. */
import type { LogLine } from "../../protocol/line.ts";

const bytesMax = 8 * 1024 * 1024;
/** More than a screen has: what is looked at stays, or it would be read again and again. */
const itemsMin = 128;
/** Of longer ones nobody reads the whole on a page. */
const lineBytesMax = 256 * 1024;
const textCharsMax = 128 * 1024;

export class LineStore {
  /** Oldest use first. */
  readonly #lines = new Map<number, { lines: readonly LogLine[]; bytes: number }>();
  #bytes = 0;

  get(index: number): readonly LogLine[] | undefined {
    const found = this.#lines.get(index);
    if (!found) return undefined;
    this.#lines.delete(index);
    this.#lines.set(index, found);
    return found.lines;
  }

  /** What another holds, under keys that are greater by so much. */
  adopt(earlier: LineStore, shift: number): void {
    for (const [index, { lines, bytes }] of earlier.#lines) this.set(index + shift, lines, bytes);
  }

  /** To be read again. */
  drop(index: number): void {
    this.#bytes -= this.#lines.get(index)?.bytes ?? 0;
    this.#lines.delete(index);
  }

  set(index: number, lines: readonly LogLine[], bytes: number): void {
    const isLong = bytes > lineBytesMax;
    const held = { lines: isLong ? lines.map(withoutLongTexts) : lines, bytes: isLong ? lineBytesMax : bytes };
    this.#bytes += held.bytes - (this.#lines.get(index)?.bytes ?? 0);
    this.#lines.delete(index);
    this.#lines.set(index, held);
    for (const [oldest, { bytes: freed }] of this.#lines) {
      if (this.#bytes <= bytesMax || this.#lines.size <= itemsMin) return;
      this.#lines.delete(oldest);
      this.#bytes -= freed;
    }
  }
}

function withoutLongTexts(line: LogLine): LogLine {
  return cut(line) as LogLine;
}

/** The same value, with what is left out of a text said at its end. */
function cut(value: unknown): unknown {
  if (typeof value === "string" && value.length > textCharsMax)
    return `${value.slice(0, textCharsMax)}\n… ${value.length - textCharsMax} more characters: the log has them`;
  if (Array.isArray(value)) return value.map(cut);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, cut(part)]));
}
