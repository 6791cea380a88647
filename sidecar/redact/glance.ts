/**
 * A quick look whether a text can hold a part of one of some words at all: nearly none can. Every fourth group of four
 * bytes is looked up among the groups that are in the words; a part of seven bytes or more has one of them, wherever it
 * lies. A regular expression over the same text takes five times as long, and this is on the way of all that an agent says.
 */

/** A part of so many characters is never missed. */
export const glanceMin = 7;

const scratchBytes = 64 * 1024;
/** Shared by all: a look is over before the next begins. */
const scratch = Buffer.from(new ArrayBuffer(scratchBytes));
const groups = new Int32Array(scratch.buffer);
/** Between two portions of a long text, so that what lies across is seen whole. */
const overlap = 8;

export class Glance {
  readonly #groups = new Set<number>();
  /** The same by a few bits of each, which is faster to say no. */
  readonly #filter = new Uint8Array(1 << 16);

  constructor(words: readonly string[]) {
    for (const word of words)
      for (let from = 0; from + 4 <= word.length; from++) {
        scratch.write(word.slice(from, from + 4), "latin1");
        const group = groups[0] ?? 0;
        this.#groups.add(group);
        this.#filter[filterPlace(group)] = 1;
      }
  }

  /** False when no part of a word, of seven characters or more, is in the text. */
  mayFind(text: string): boolean {
    for (let from = 0; from < text.length; from += scratchBytes - overlap)
      if (this.#mayFind(text.length <= scratchBytes ? text : text.slice(from, from + scratchBytes))) return true;
    return false;
  }

  #mayFind(portion: string): boolean {
    // Of other characters the lower byte: the words were written down in the same way.
    const count = scratch.write(portion, "latin1") >> 2;
    const filter = this.#filter;
    for (let i = 0; i < count; i++) {
      const group = groups[i] ?? 0;
      if (filter[filterPlace(group)] === 1 && this.#groups.has(group)) return true;
    }
    return false;
  }
}

function filterPlace(group: number): number {
  return Math.imul(group, 0x9e3779b1) >>> 16;
}
