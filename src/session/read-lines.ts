/** The lines of a session's log that match, in order, parsed. Off the hot path. */
import { type LogLine, parseLogLine } from "../protocol/line.ts";
import type { Session } from "./session.ts";

const stepBytes = 1024 * 1024;

export async function* readLines(session: Session, wanted: RegExp): AsyncGenerator<LogLine> {
  let rest = "";
  for (let from = 0; from < session.end; from += stepBytes) {
    // Latin-1 keeps each byte as one character, so that a step may end inside a UTF-8 sequence.
    const step = await session.readStored(from, Math.min(session.end, from + stepBytes));
    const parts = (rest + step.toString("latin1")).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) if (wanted.test(part)) yield parseLogLine(Buffer.from(part, "latin1").toString("utf8"));
  }
}
