/** Finds what is secret in a text, and what may be the beginning of it where a text goes on. Pure. */
import { Glance, glanceMin } from "./glance.ts";
import { escaped, spellingsOf } from "./spellings.ts";

export interface Secrets {
  /** Found as they are and in the usual spellings of them. */
  values: readonly string[];
  /** Regular expressions of the operator's. */
  patterns: readonly string[];
}

/** From the first character to behind the last. */
export type Range = readonly [start: number, end: number];

export const shown = "[redacted]";
/** So much of a secret counts as one where its text is cut. */
const partMin = 8;
/** With so many characters it may be one that has begun. Fewer are shown: nearly every text ends in one of them. */
const beginningMin = 4;
/** How many characters of one may be out before it is known for what it is. */
export const contextCharacters = beginningMin - 1;
/** Patterns are looked for in a word at a time: in what has no space in it, up to this length. */
const wordMax = 512;

export class SecretWords {
  readonly #words: readonly string[];
  readonly #longest: number;
  readonly #any: RegExp;
  readonly #glance: Glance;
  readonly #hint: RegExp;
  readonly #patterns: readonly RegExp[];
  /** Some are so short that a glance could miss what is left of one whose first characters are out. */
  readonly #areShort: boolean;
  /** Characters that are in a secret and not at its end, by their codes. */
  readonly #inside = new Uint8Array(128);
  /** All runs of so many characters that are in a secret: what ends in none of them ends in no beginning. */
  readonly #runs = new Set<string>();

  /** `bytes`: for texts in which a character is a byte. */
  constructor({ values, patterns }: Secrets, { bytes = false } = {}) {
    const words = spellingsOf(values);
    this.#words = bytes ? words.map((word) => Buffer.from(word).toString("latin1")) : words;
    this.#longest = Math.max(0, ...this.#words.map(({ length }) => length));
    this.#any = anyOf(this.#words);
    const inJson = this.#words.flatMap((word) => [word, escaped(word)]);
    this.#glance = new Glance(inJson);
    this.#hint = anyOf(inJson.flatMap(hintsOf));
    this.#patterns = patterns.map((source) => new RegExp(source, "g"));
    this.#areShort = this.#words.some(({ length }) => length < glanceMin + contextCharacters);
    for (const word of this.#words)
      for (let i = 0; i + beginningMin < word.length; i++) {
        this.#runs.add(word.slice(i, i + beginningMin));
        const code = word.charCodeAt(i + beginningMin - 1);
        if (code < this.#inside.length) this.#inside[code] = 1;
      }
  }

  /** False when there is none in a text, whole or as a part that counts; also when a text is within JSON. Fast. */
  mayBeIn(text: string): boolean {
    return (
      this.#patterns.length > 0 || ((this.#areShort || this.#glance.mayFind(text)) && text.search(this.#hint) !== -1)
    );
  }

  /** False when no secret may have begun at the end of a text. Fast. */
  mayHaveBegunIn(text: string): boolean {
    if (this.#patterns.length > 0) return true;
    // Most texts end in what no secret has within.
    if (this.#inside[text.charCodeAt(text.length - 1)] === 0) return false;
    return this.#runs.has(text.slice(-beginningMin));
  }

  /** A text without its secrets. Where it was cut in the midst of one, the part that is left goes too. */
  hide(text: string): string {
    return hidden(text, merged([...this.#found(text), ...this.#cutOff(text)]));
  }

  /** The same for a text that was not cut, such as a line of JSON. */
  hideWhole(text: string): string {
    return hidden(text, this.#found(text));
  }

  /** The same for the name of a member: patterns are for what is said. */
  hideValues(text: string): string {
    return text.replace(this.#any, shown);
  }

  /** Of a text that goes on: what of it is secret for sure, and where that begins which the rest will tell. */
  decide(text: string): { ranges: Range[]; openFrom: number } {
    const begun = this.#begunAt(text);
    const ranges = this.#found(text).filter(([start]) => start < begun);
    const end = ranges.at(-1)?.[1] ?? 0;
    return { ranges, openFrom: end > begun ? end + this.#begunAt(text.slice(end)) : begun };
  }

  /** Of a text that has ended. */
  decideAll(text: string): Range[] {
    return merged([...this.#found(text), ...this.#cutOff(text)]);
  }

  #found(text: string): Range[] {
    const ranges = [this.#any, ...this.#patterns].flatMap((pattern) =>
      [...text.matchAll(pattern)].map(({ index, 0: { length } }): Range => [index, index + length]),
    );
    return merged(ranges.filter(([start, end]) => end > start));
  }

  /** What a text begins with of the end of one, and ends with of the beginning of one. */
  #cutOff(text: string): Range[] {
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

  #begunAt(text: string): number {
    let begun = this.#patterns.length > 0 ? this.#lastMatchIn(text) : text.length;
    if (!this.#runs.has(text.slice(-beginningMin))) return begun;
    const from = Math.max(0, text.length - this.#longest + 1);
    const tail = text.slice(from);
    for (const word of this.#words) {
      const at = placesOf(word.slice(0, beginningMin), tail).find((place) => word.startsWith(tail.slice(place)));
      if (at !== undefined && tail.length - at < word.length) begun = Math.min(begun, from + at);
    }
    return begun;
  }

  /** What matches up to the end may go on to match, and the last word may begin to; both only up to a length. */
  #lastMatchIn(text: string): number {
    const word = lastWordOf(text);
    const last = this.#patterns
      .flatMap((pattern) => [...text.matchAll(pattern)])
      .find(({ index, 0: match }) => index + match.length === text.length && match.length <= wordMax);
    return last && last[0] !== "" ? Math.min(word, last.index) : word;
  }
}

/** `text` from `from` on, up to `to`, with what is in the ranges hidden. A range that began before is shown as hidden once more. */
export function hidden(text: string, ranges: readonly Range[], from = 0, to = text.length): string {
  let out = "";
  let at = from;
  for (const [start, end] of ranges) {
    if (end <= from || start >= to) continue;
    out += text.slice(at, Math.max(at, start)) + shown;
    at = end;
  }
  return out + text.slice(at, Math.max(at, to));
}

/** The shortest parts by which each text with a secret, or enough of one, is known: its first and its last characters. */
function hintsOf(word: string): string[] {
  const lastCount = Math.min(partMin, word.length - contextCharacters);
  return [word.slice(0, partMin), word.slice(-lastCount)];
}

function anyOf(words: readonly string[]): RegExp {
  if (words.length === 0) return /(?!)/g;
  const unique = [...new Set(words)];
  return new RegExp(unique.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "g");
}

function placesOf(part: string, text: string): number[] {
  const places: number[] = [];
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) places.push(at);
  return places;
}

function merged(ranges: readonly Range[]): Range[] {
  const inOrder = [...ranges].sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const apart: Range[] = [];
  for (const range of inOrder) {
    const last = apart.at(-1);
    if (last && range[0] < last[1]) apart[apart.length - 1] = [last[0], Math.max(last[1], range[1])];
    else apart.push(range);
  }
  return apart;
}

/** Where the last word begins, which may go on; behind it when it is longer than we wait for. */
function lastWordOf(text: string): number {
  const floor = Math.max(0, text.length - wordMax);
  let at = text.length;
  while (at > floor && !/\s/.test(text.charAt(at - 1))) at--;
  return at === floor && floor > 0 ? text.length : at;
}
