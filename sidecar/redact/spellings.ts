/**
 * How programs print a secret: as it is, as part of JSON (also of JSON within JSON), in an address, in hex, in base64. Not what is
 * turned round or encrypted: who wants to get a value past us can. Pure.
 */

/** Longer values are looked for in pieces of this length, so that what waits for the rest of one is bounded. */
const wordCharactersMax = 4096;
const wordCharactersMin = 8;

/** Longest first, because one may begin another. */
export function spellingsOf(values: readonly string[]): { all: string[]; base64: string[] } {
  const parts = values.flatMap(partsOf);
  return { all: wordsOf(parts.flatMap(spellings)), base64: wordsOf(parts.flatMap(base64Of)) };
}

function wordsOf(texts: readonly string[]): string[] {
  const words = new Set(texts.flatMap(inPieces));
  return [...words].filter(({ length }) => length >= wordCharactersMin).sort((a, b) => b.length - a.length);
}

/** As JSON has it, without the quotes. */
export function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** A key of many lines is printed line by line. */
function partsOf(value: string): string[] {
  // What is no UTF-8 has reached the agent as U+FFFD.
  const whole = Buffer.from(value).toString();
  return [whole, ...whole.split(/[\r\n]+/)].filter(({ length }) => length >= wordCharactersMin);
}

function spellings(text: string): string[] {
  const json = escaped(text);
  const inAddress = encodeURIComponent(text);
  const inSmall = inAddress.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  const hex = Buffer.from(text).toString("hex");
  return [text, json, escaped(json), inAddress, inSmall, hex, hex.toUpperCase(), ...base64Of(text)];
}

/** What stands before a value moves its bits: there are three ways to write what lies wholly within it. */
function base64Of(text: string): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const from = Math.ceil((before * 8) / 6);
    const to = Math.floor(((before + bytes.length) * 8) / 6);
    const inside = whole.slice(from, to);
    return [inside, inside.replaceAll("+", "-").replaceAll("/", "_")];
  });
}

function inPieces(word: string): string[] {
  if (word.length <= wordCharactersMax) return [word];
  const count = Math.ceil(word.length / wordCharactersMax);
  return Array.from({ length: count }, (_, i) => word.slice(i * wordCharactersMax, (i + 1) * wordCharactersMax));
}
