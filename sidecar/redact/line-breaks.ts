/**
 * Base64 comes in lines of 64 or 76 characters, so that a break may lie anywhere within a secret: as it is, or as JSON has it
 * (also JSON within JSON). Words are looked for in the text without its breaks, and are shown where they lie in the text. Pure.
 */

export interface Unbroken {
  text: string;
  /** Where a character of it is in the text that has the breaks. */
  placeOf(at: number): number;
}

/** Of the longest break: `\\r\\n`, as JSON within JSON has it. */
export const breakMax = 6;
/** A break, with three characters behind it. */
const nearMax = breakMax + 3;

/** One between two characters, or what may become one at the end. An empty line is within no base64, so nothing waits for many. */
const breaks = /(?:\r|\\{1,2}r)?(?:\n|\\{1,2}n)(?![\r\n\\])|(?:\r|\\{1,2}(?:r\\{0,2})?)$/g;

/** Characters that a break ends with, or the beginning of one. */
export const breakEnds = "\r\n\\rn";

/** Fast. */
export function mayHoldBreak(text: string): boolean {
  return text.includes("\n") || text.includes("\\") || text.endsWith("\r");
}

const newline = 10;
const carriageReturn = 13;
const backslash = 92;

/** Whether one of the last characters may be of a break. Fast: it is on the way of all that a model says. */
export function endsNearBreak(text: string): boolean {
  for (let at = Math.max(0, text.length - nearMax); at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === newline || code === backslash || code === carriageReturn) return true;
  }
  return false;
}

/** Undefined when there is none. */
export function unbroken(text: string): Unbroken | undefined {
  if (!mayHoldBreak(text)) return undefined;
  let joined = "";
  let from = 0;
  /** Places in the joined text behind which so many characters are missing. */
  const places: number[] = [];
  const missing: number[] = [];
  for (const { index, 0: found } of text.matchAll(breaks)) {
    joined += text.slice(from, index);
    from = index + found.length;
    places.push(joined.length);
    missing.push(from - joined.length);
  }
  if (places.length === 0) return undefined;
  return {
    text: joined + text.slice(from),
    placeOf: (at) => {
      let low = 0;
      let high = places.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((places[middle] ?? 0) <= at) low = middle + 1;
        else high = middle;
      }
      return at + (missing[low - 1] ?? 0);
    },
  };
}
