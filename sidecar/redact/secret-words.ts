/** Finds what is secret in a text, and what may be the beginning of it where a text goes on. Pure. */
import { Glance, glanceMin } from "./glance.ts";
import { breakEnds, breakMax, endsNearBreak, mayHoldBreak, unbroken } from "./line-breaks.ts";
import { escaped, spellingsOf } from "./spellings.ts";
import { anyOf, beginningMin, partMin, type Range, WordList } from "./word-list.ts";

export interface Secrets {
  /** Found as they are and in the usual spellings of them. */
  values: readonly string[];
  /** Regular expressions of the operator's. */
  patterns: readonly string[];
}

export const shown = "[redacted]";
/** How many characters of one may be out before it is known for what it is. */
export const outMax = beginningMin - 1;
/** These, and a break among them. */
export const contextCharacters = outMax + breakMax;
/** Patterns are looked for in a word at a time: in what has no space in it, up to this length. */
const wordMax = 512;
/** Nobody breaks base64 into shorter lines. */
const lineMin = 64;

export class SecretWords {
  readonly #words: WordList;
  /** Those that may have a line break anywhere. */
  readonly #wrapped: WordList;
  readonly #glance: Glance;
  readonly #hint: RegExp;
  readonly #patterns: readonly RegExp[];
  /** Some are so short that a glance could miss what is left of one whose first characters are out. */
  readonly #areShort: boolean;
  /** … or both parts of one with a break in its midst. */
  readonly #arePartsShort: boolean;
  /** Characters that are in a secret and not at its end, by their codes. */
  readonly #inside = new Uint8Array(128);

  /** `bytes`: for texts in which a character is a byte. */
  constructor({ values, patterns }: Secrets, { bytes = false } = {}) {
    const { all, base64 } = spellingsOf(values);
    const words = bytes ? all.map((word) => Buffer.from(word).toString("latin1")) : all;
    this.#words = new WordList(words);
    this.#wrapped = new WordList(base64);
    const inJson = words.flatMap((word) => [word, escaped(word)]);
    this.#glance = new Glance(inJson);
    this.#hint = anyOf([...inJson.flatMap(hintsOf), ...base64.flatMap(partHintsOf)]);
    this.#patterns = patterns.map((source) => new RegExp(source, "g"));
    this.#areShort = words.some(({ length }) => length < glanceMin + outMax);
    this.#arePartsShort = base64.some(({ length }) => length < 2 * glanceMin - 1 + outMax);
    for (const end of this.#words.runEnds + (base64.length > 0 ? breakEnds : "")) {
      const code = end.charCodeAt(0);
      if (code < this.#inside.length) this.#inside[code] = 1;
    }
  }

  /** False when there is none in a text, whole or as a part that counts; also when a text is within JSON. Fast. */
  mayBeIn(text: string): boolean {
    if (this.#patterns.length > 0) return true;
    const isPossible = this.#areShort || this.#glance.mayFind(text) || (this.#arePartsShort && mayHoldBreak(text));
    return isPossible && text.search(this.#hint) !== -1;
  }

  /** False when no secret may have begun at the end of a text. Fast. */
  mayHaveBegunIn(text: string): boolean {
    if (this.#patterns.length > 0) return true;
    // Many texts end in what no secret has within.
    if (this.#inside[text.charCodeAt(text.length - 1)] === 0) return false;
    if (this.#words.mayHaveBegunIn(text)) return true;
    if (!endsNearBreak(text)) return false;
    const joined = unbroken(text.slice(-beginningMin - breakMax));
    return joined !== undefined && this.#wrapped.mayHaveBegunIn(joined.text);
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
    return text.replace(this.#words.any, shown);
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
    const matching = this.#patterns.flatMap((pattern) =>
      [...text.matchAll(pattern)].map(({ index, 0: { length } }): Range => [index, index + length]),
    );
    const ranges = [
      ...this.#words.found(text),
      ...matching,
      ...this.#acrossBreaks(text, (joined) => this.#wrapped.found(joined)),
    ];
    return merged(ranges.filter(([start, end]) => end > start));
  }

  #cutOff(text: string): Range[] {
    return [...this.#words.cutOff(text), ...this.#acrossBreaks(text, (joined) => this.#wrapped.cutOff(joined))];
  }

  #acrossBreaks(text: string, find: (joined: string) => Range[]): Range[] {
    const joined = unbroken(text);
    if (!joined) return [];
    return find(joined.text).map(([start, end]) => [joined.placeOf(start), joined.placeOf(end - 1) + 1]);
  }

  #begunAt(text: string): number {
    const begun = Math.min(
      this.#patterns.length > 0 ? this.#lastMatchIn(text) : text.length,
      this.#words.begunAt(text),
    );
    const joined = unbroken(text);
    if (!joined) return begun;
    const at = this.#wrapped.begunAt(joined.text);
    return at === joined.text.length ? begun : Math.min(begun, joined.placeOf(at));
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
  const lastCount = Math.min(partMin, word.length - outMax);
  return [word.slice(0, partMin), word.slice(-lastCount)];
}

/** One of them is whole wherever the breaks are, also when the first characters are out. */
function partHintsOf(word: string): string[] {
  const count = Math.min(partMin, Math.floor((word.length - outMax) / 2));
  const ends = [word.slice(outMax, outMax + count), word.slice(-count)];
  // Of a longer one both ends may be broken, and then what is between them is a whole line.
  return word.length < lineMin ? ends : [...ends, word.slice(lineMin / 2, lineMin / 2 + partMin)];
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
