/** Text of an agent as it may be shown: nothing in it is hidden, and nothing reorders what stands beside it. Pure. */

/** What a terminal would act on: CSI, then strings that end in BEL or ST, then other short escapes. */
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /(?:\x1b\[|\x9b)[\x20-\x3f]*[\x40-\x7e]?|\x1b[\]PX^_][^\x07\x1b\r\n]{0,4096}(?:\x07|\x1b\\)?|\x1b[\x20-\x2f]*[\x30-\x7e]?/g;

/** Control characters but tab and newline; marks that reorder text; characters that have no width. */
const hidden =
  /[^\P{Cc}\n\t]|[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/** Colours of a terminal are dropped; what could hide or reorder is written out, so that shown code is the real code. */
export function visible(text: string): string {
  if (text.search(hidden) === -1) return text;
  return text
    .replaceAll("\r\n", "\n")
    .replace(sequences, "")
    .replace(hidden, (found) => `‹U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}›`);
}

/** The first line, of at most so many characters. */
export function firstLine(text: string, charsMax: number): string {
  const line =
    visible(text.slice(0, charsMax * 4))
      .trim()
      .split("\n", 1)[0] ?? "";
  return line.length > charsMax ? `${line.slice(0, charsMax - 1)}…` : line;
}

/** A value as an agent gave it, for reading. */
export function shownValue(value: unknown): string {
  return visible(typeof value === "string" ? value : (JSON.stringify(value, undefined, 2) ?? ""));
}
