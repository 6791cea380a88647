/** The texts of a log line that a conversation shows: what people look for, without what only programs read. Pure. */
import type { LogLine } from "../../protocol/line.ts";

/** Names by which programs tell things apart, and words of the protocol that no row shows. */
const unseen: ReadonlySet<string> = new Set([
  "id",
  "item_id",
  "kind",
  "parent_id",
  "request_id",
  "session_id",
  "turn_id",
]);

/** So much stands before the words in an excerpt, and so much behind their beginning. */
const beforeChars = 40;
const behindChars = 400;

/** The first text of it that has the words, from a little before them; undefined when none has. */
export function excerptWith({ data }: LogLine, words: string): string | undefined {
  const wanted = words.toLowerCase();
  for (const text of textsIn(data)) {
    const at = text.toLowerCase().indexOf(wanted);
    if (at !== -1) return text.slice(Math.max(0, at - beforeChars), at + behindChars).replaceAll(/\s+/g, " ");
  }
  return undefined;
}

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === "string") yield value;
  else if (Array.isArray(value)) for (const part of value) yield* textsIn(part);
  else if (typeof value === "object" && value !== null)
    for (const [key, part] of Object.entries(value)) {
      if (unseen.has(key)) continue;
      // What a tool is called with is shown as it is, its fields too.
      if (key === "input") yield* partsOf(part);
      else yield* textsIn(part);
    }
}

function* partsOf(value: unknown): Generator<string> {
  if (typeof value !== "object" || value === null) {
    yield String(value);
    return;
  }
  for (const [key, part] of Object.entries(value)) {
    yield key;
    yield* partsOf(part);
  }
}
