/** Finds words in a text, whole, as what is left of one where the text is cut, and as what has begun at its end. Pure. */

/** From the first character to behind the last. */
export type Range = readonly [start: number, end: number];

/** So much of a word counts as one where its text is cut. */
export const partMin = 8;
/** With so many characters it may be one that has begun. Fewer are shown: nearly every text ends in one of them. */
export const beginningMin = 4;

export class WordList {
  readonly #words: readonly string[];
  readonly #longest: number;
  readonly any: RegExp;
  /** All runs of so many characters that are in a word and not at its end: what ends in none of them ends in no beginning. */
  readonly #runs = new Set<string>();

  /** Longest first, because one may begin another. */
  constructor(words: readonly string[]) {
    this.#words = words;
    this.#longest = Math.max(0, ...words.map(({ length }) => length));
    this.any = anyOf(words);
    for (const word of words)
      for (let i = 0; i + beginningMin < word.length; i++) this.#runs.add(word.slice(i, i + beginningMin));
  }

  /** The characters that runs end with. */
  get runEnds(): string {
    return [...this.#runs].map((run) => run.at(-1)).join("");
  }

  found(text: string): Range[] {
    return [...text.matchAll(this.any)].map(({ index, 0: { length } }): Range => [index, index + length]);
  }

  /** What a text begins with of the end of one, and ends with of the beginning of one. */
  cutOff(text: string): Range[] {
    const ranges: Range[] = [];
    const first = text.slice(0, partMin);
    const last = text.slice(-partMin);
    if (first.length < partMin) return ranges;
    for (const word of this.#words) {
      for (const at of placesOf(first, word)) if (text.startsWith(word.slice(at))) ranges.push([0, word.length - at]);
      for (const at of placesOf(last, word))
        if (text.endsWith(word.slice(0, at + partMin))) ranges.push([text.length - at - partMin, text.length]);
    }
    return ranges;
  }

  /** False when none may have begun at the end of a text. Fast. */
  mayHaveBegunIn(text: string): boolean {
    return this.#runs.has(text.slice(-beginningMin));
  }

  /** Where one begins that the rest may complete; behind the text when there is none. */
  begunAt(text: string): number {
    let begun = text.length;
    if (!this.mayHaveBegunIn(text)) return begun;
    const from = Math.max(0, text.length - this.#longest + 1);
    const tail = text.slice(from);
    for (const word of this.#words) {
      const at = placesOf(word.slice(0, beginningMin), tail).find((place) => word.startsWith(tail.slice(place)));
      if (at !== undefined && tail.length - at < word.length) begun = Math.min(begun, from + at);
    }
    return begun;
  }
}

export function anyOf(words: readonly string[]): RegExp {
  if (words.length === 0) return /(?!)/g;
  const unique = [...new Set(words)];
  return new RegExp(unique.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "g");
}

function placesOf(part: string, text: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) places.push(at);
  return places;
}
