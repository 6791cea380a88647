/**
 * The lines of a log that match, in order, parsed. Off the hot path. A line that is none of ours, or that is damaged, is passed
 * over and told: one of them must not cost anybody the rest.
 */
import { knownLogLine, type LogLine } from "../protocol/line.ts";
import { type Damage, damageIn } from "./line-damage.ts";

/** A log that can be read: a session's, or one that only a file is left of. */
export interface StoredLog {
  /** Offset after its last line. */
  readonly end: number;
  readStored(from: number, to: number): Promise<Buffer>;
  /** Told where a line begins that was passed over, whoever reads, and each time. */
  passedOver?(at: number): void;
}

/** A line, and the offset at which it begins. */
export interface PlacedLine {
  at: number;
  line: LogLine;
}

export interface ReadOptions {
  /** Where a line begins. */
  start?: number;
  /** The number of the line before it, where that is known: a line that is missing in between is told. */
  after?: number | undefined;
  /** Read at once; between two steps others have their turn. */
  stepBytes?: number;
  /** Told of what is not as it was written, before the line that follows. */
  onDamage?: (damage: Damage) => void;
}

const stepBytesMax = 1024 * 1024;

/** `start` is where a line begins. */
export async function* readLines(log: StoredLog, wanted: RegExp, start = 0): AsyncGenerator<LogLine> {
  for await (const { line } of readPlacedLines(log, wanted, { start })) yield line;
}

export async function* readPlacedLines(
  log: StoredLog,
  wanted: RegExp,
  { start = 0, after, stepBytes = stepBytesMax, onDamage }: ReadOptions = {},
): AsyncGenerator<PlacedLine> {
  let rest = "";
  let at = start;
  let seq = after;
  for (let from = start; from < log.end; from += stepBytes) {
    // Latin-1 keeps each byte as one character, so that a step may end inside a UTF-8 sequence.
    const step = await log.readStored(from, Math.min(log.end, from + stepBytes));
    const parts = (rest + step.toString("latin1")).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const isWanted = wanted.test(part);
      const line = isWanted ? readLine(part) : undefined;
      const found = damageIn(part, { after: seq, isUnreadable: isWanted && !line });
      seq = found.seq;
      if (found.damage) {
        log.passedOver?.(at);
        onDamage?.({ ...found.damage, at });
      }
      if (line) yield { at, line };
      at += part.length + 1;
    }
  }
}

/** From a line in Latin-1. Undefined when it cannot be read. */
export function readLine(part: string): LogLine | undefined {
  return knownLogLine(Buffer.from(part, "latin1").toString("utf8"));
}
