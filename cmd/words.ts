/** A text given on the command line: its words, or all of stdin when it is `-`. */
import { text } from "node:stream/consumers";

export async function readWords(words: readonly string[]): Promise<string> {
  return words.length === 1 && words[0] === "-" ? (await text(process.stdin)).trimEnd() : words.join(" ");
}
