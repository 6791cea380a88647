/**
 * Pieces of one block come on lines that differ in the text and in a last `uuid` only. Once one was read as JSON, the
 * next ones are recognised by what is around the text, and only the text itself is parsed: nearly all lines of a busy
 * agent are such pieces, and parsing them whole was most of what a sidecar did. Any other line is left to the parser.
 */
import type { Delta } from "./text-delta.ts";

interface Shape {
  /** Up to the text's opening quote. */
  head: string;
  /** From the text's closing quote to the opening one of the last value. */
  middle: string;
  kind: Delta["kind"];
  parent: string | undefined;
  index: number;
}

/** A last value of this shape holds no quote and no backslash, so it ends where it seems to end. */
const lastValue = /^[\w-]*"}$/;

export class DeltaShape {
  #shape: Shape | undefined;

  /** The piece on this line; undefined when the line must be parsed. */
  read(line: string): Delta | undefined {
    const shape = this.#shape;
    if (!shape) return undefined;
    const { head, middle, kind, parent, index } = shape;
    // Slices that are compared are faster here than `startsWith`.
    if (line.slice(0, head.length) !== head) return undefined;
    const end = closingQuote(line, head.length);
    const last = end + middle.length;
    if (end === -1 || line.slice(end, last) !== middle || !lastValue.test(line.slice(last))) return undefined;
    try {
      // A string of its own: a slice would keep all that was read with it.
      return { kind, parent, index, text: JSON.parse(line.slice(head.length - 1, end + 1)) };
    } catch {
      return undefined;
    }
  }

  /** Remembers what is around the text of a line that was parsed. */
  learn(line: string, { kind, parent, index }: Delta): void {
    this.#shape = undefined;
    const opening = `"delta":{"type":"${kind}_delta","${kind}":"`;
    // Inside a string its quotes would be escaped, so this is the key itself; twice, and nobody knows which one counts.
    const at = line.indexOf(opening);
    if (at === -1 || line.indexOf(opening, at + 1) !== -1) return;
    const head = line.slice(0, at + opening.length);
    const end = closingQuote(line, head.length);
    const last = line.lastIndexOf(',"uuid":"');
    if (last < end || !lastValue.test(line.slice(last + 9))) return;
    this.#shape = { head: flat(head), middle: flat(line.slice(end, last + 9)), kind, parent, index };
  }
}

const backslash = 0x5c;

/** The same text as a string of its own, not as a part of a larger one. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}

/** Of the string whose first character is at `from`. */
function closingQuote(line: string, from: number): number {
  for (let end = line.indexOf('"', from); end !== -1; end = line.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (line.charCodeAt(end - 1 - backslashes) === backslash) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return -1;
}
