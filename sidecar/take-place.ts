/**
 * Goes to the session's folder and writes what it says of itself into the log there. A sidecar that waited for its
 * session has another work dir and no stderr until then; one that was started for it has both already, and they stay.
 */
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";

const stderrFd = 2;

/** Must come before anything touches `process.stderr`, which keeps the file that it finds. */
export function takePlace(sessionDir: string): void {
  process.chdir(sessionDir);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  closeSync(stderrFd);
  // The lowest number that is free is given out: the one just closed.
  const opened = openSync(join(sessionDir, "sidecar.log"), flags, 0o600);
  if (opened !== stderrFd) throw new Error(`its log was opened as file ${opened} instead of ${stderrFd}`);
}
