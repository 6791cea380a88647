/** How a log that nobody writes to ends. */
import { peekType } from "../protocol/line.ts";
import { type LogTail, readTail } from "./log.ts";
import type { StoredFile } from "./stored-file.ts";

export interface LogEnd {
  tail: LogTail;
  /** Behind the last whole line. */
  tornBytes: number;
  /** The last line of ours is the `exit`. */
  hasExit: boolean;
}

/** A line says first what it is. */
const typeBytes = 40;

export async function readLogEnd(file: StoredFile): Promise<LogEnd> {
  const size = await file.size();
  const tail = await readTail((from, to) => file.read(from, to), size);
  const start = await file.read(tail.start, Math.min(tail.lineEnd, tail.start + typeBytes));
  return { tail, tornBytes: size - tail.end, hasExit: start.length > 0 && peekType(start, 0) === "exit" };
}
