/**
 * Text from an agent, made safe for a terminal: it may colour, move, hide or rename nothing. What is output loses its escapes
 * (`plainText`, `plainLine`); of what a person decides by nothing is dropped (`visible`, `visibleLine`). Pure.
 */
import { visible } from "../src/client/visible.ts";

/**
 * CSI (`ESC [ … m`), then strings that end in BEL or ST (OSC, DCS, PM, APC, SOS), then other two-byte escapes; 8-bit forms too.
 * Whole ones: a string that does not end hides nothing, what follows its mark is text.
 */
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /(?:\x1b\[|\x9b)[\x20-\x3f]*[\x40-\x7e]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x80-\x9f\r\n]{0,4096}(?:\x07|\x1b\\|\x9c)|\x1b[\x20-\x2f]*[\x30-\x7e]/g;

/** Control characters but tab and newline; and the marks that reorder text, with which shown code can differ from real code. */
const controls = /[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu;

/** The text without anything a terminal would act on but line ends and tabs. */
export function plainText(text: string): string {
  if (text.search(controls) === -1) return text;
  return text.replace(/\r\n/g, "\n").replace(sequences, "").replace(controls, "");
}

/** The same in one line of at most `charsMax` characters. */
export function plainLine(text: string, charsMax: number): string {
  return oneLine(plainText(text), charsMax);
}

/** Text that somebody decides by, in one line: what would hide in it is written out. */
export function visibleLine(text: string, charsMax: number): string {
  return oneLine(visible(text), charsMax);
}

function oneLine(text: string, charsMax: number): string {
  const line = text
    .replace(/\s*\n\s*/g, " ⏎ ")
    .replaceAll("\t", " ")
    .trim();
  return cutChars(line, charsMax);
}

/** Cut where a character ends, with a mark that something was cut. */
export function cutChars(line: string, charsMax: number): string {
  if (line.length <= charsMax) return line;
  const isInsidePair = /[\ud800-\udbff]/.test(line[charsMax - 2] ?? "");
  return `${line.slice(0, isInsidePair ? charsMax - 2 : charsMax - 1)}…`;
}
