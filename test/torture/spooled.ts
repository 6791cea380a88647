/** What a sidecar that was just killed had put aside for the daemon: whatever else it had in its hand, this is kept. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tailNumbers } from "../../src/protocol/line.ts";

/** The count of the last whole line in the spool of that folder; 0 when there is none. */
export function spooledUpTo(sessionDir: string): number {
  let newest = 0;
  try {
    for (const name of readdirSync(sessionDir)) {
      if (!name.startsWith("spool-")) continue;
      const text = readFileSync(join(sessionDir, name), "latin1");
      const whole = text.slice(0, text.lastIndexOf("\n") + 1);
      newest = Math.max(newest, tailNumbers(whole.slice(-200))?.sidecarSeq ?? 0);
    }
  } catch {
    // Taken in and removed while we looked: then it is in the log.
  }
  return newest;
}
