/** The lines of a log that match, from the last one back, parsed. Off the hot path. */
import { type LogLine, parseLogLine } from "../protocol/line.ts";
import type { StoredLog } from "./read-lines.ts";

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
    const parts = ((await log.readStored(from, to)).toString("latin1") + rest).split("\n");
    rest = from > 0 ? (parts.shift() ?? "") : "";
    for (const part of parts.reverse())
      if (wanted.test(part))
        yield { line: parseLogLine(Buffer.from(part, "latin1").toString("utf8")), bytes: part.length };
  }
}
