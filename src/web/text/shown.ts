/** Text of an agent as it is shown. What a person decides by goes through `visible` alone, which drops nothing. Pure. */
import { visible } from "../../client/visible.ts";

/**
 * What a terminal would act on, whole: CSI, strings that end in BEL or ST, other short escapes. One that does not end hides
 * nothing: what follows its mark is text.
 */
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /(?:\x1b\[|\x9b)[\x20-\x3f]*[\x40-\x7e]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x80-\x9f\r\n]{0,4096}(?:\x07|\x1b\\|\x9c)|\x1b[\x20-\x2f]*[\x30-\x7e]/g;

/** Output of a tool or a command: it may lose a terminal's colours, which say nothing here. */
export function shownOutput(text: string): string {
  return visible(text.replaceAll("\r\n", "\n").replace(sequences, ""));
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
