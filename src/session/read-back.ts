/** The lines of a log that match, from the last one back, parsed; of others as `readLines`. Off the hot path. */
import type { LogLine } from "../protocol/line.ts";
import { readLine, type StoredLog } from "./read-lines.ts";

const stepBytes = 256 * 1024;

/** A line, and how many bytes it takes. */
export interface SizedLine {
  line: LogLine;
  bytes: number;
}

export async function* readLinesBack(log: StoredLog, wanted: RegExp): AsyncGenerator<SizedLine> {
  // Of a line that begins before what was read.
  let rest = "";
  for (let to = log.end; to > 0; to -= stepBytes) {
    const from = Math.max(0, to - stepBytes);
    // Latin-1 keeps each byte as one character, so that a step may begin inside a UTF-8 sequence.
    const text = (await log.readStored(from, to)).toString("latin1") + rest;
    const parts = text.split("\n");
    rest = from > 0 ? (parts.shift() ?? "") : "";
    let end = from + text.length;
    for (const part of parts.reverse()) {
      const at = end - part.length;
      end = at - 1;
      if (!wanted.test(part)) continue;
      const line = readLine(part);
      if (line) yield { line, bytes: part.length };
      else log.passedOver?.(at);
    }
  }
}
