/** The lines of a log that match, in order, parsed. Off the hot path. */
import { type LogLine, parseLogLine } from "../protocol/line.ts";

/** A log that can be read: a session's, or one that only a file is left of. */
export interface StoredLog {
  /** Offset after its last line. */
  readonly end: number;
  readStored(from: number, to: number): Promise<Buffer>;
}

/** A line, and the offset at which it begins. */
export interface PlacedLine {
  at: number;
  line: LogLine;
}

export interface ReadOptions {
  /** Where a line begins. */
  start?: number;
  /** Read at once; between two steps others have their turn. */
  stepBytes?: number;
}

const stepBytesMax = 1024 * 1024;

/** `start` is where a line begins. */
export async function* readLines(log: StoredLog, wanted: RegExp, start = 0): AsyncGenerator<LogLine> {
  for await (const { line } of readPlacedLines(log, wanted, { start })) yield line;
}

export async function* readPlacedLines(
  log: StoredLog,
  wanted: RegExp,
  { start = 0, stepBytes = stepBytesMax }: ReadOptions = {},
): AsyncGenerator<PlacedLine> {
  let rest = "";
  let at = start;
  for (let from = start; from < log.end; from += stepBytes) {
    // Latin-1 keeps each byte as one character, so that a step may end inside a UTF-8 sequence.
    const step = await log.readStored(from, Math.min(log.end, from + stepBytes));
    const parts = (rest + step.toString("latin1")).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      if (wanted.test(part)) yield { at, line: parseLogLine(Buffer.from(part, "latin1").toString("utf8")) };
      at += part.length + 1;
    }
  }
}
