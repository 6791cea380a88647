/** The agent's own lines, kept for whoever asked for `keep_raw`: `raw.ndjson` in the session's folder. */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface RawLog {
  /**
   * Appends lines and returns where each begins. Undefined when they could not be written: the events matter more than
   * their sources, so these lines are left out and the session goes on.
   */
  append(lines: readonly string[]): number[] | undefined;
  close(): void;
}

export function openRawLog(sessionDir: string): RawLog {
  const file = openSync(join(sessionDir, "raw.ndjson"), "wx", 0o600);
  let end = 0;
  return {
    append: (lines) => {
      const positions: number[] = [];
      let next = end;
      for (const line of lines) {
        positions.push(next);
        next += Buffer.byteLength(line) + 1;
      }
      try {
        const bytes = Buffer.from(`${lines.join("\n")}\n`);
        for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, end + done);
        end = next;
        return positions;
      } catch {
        ftruncateSync(file, end);
        return undefined;
      }
    },
    close: () => closeSync(file),
  };
}
