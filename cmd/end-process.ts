/**
 * The end of this process. Node puts terminals back as it found them when it exits, and crashes where one is gone (20.20:
 * `ResetStdio` asserts that `tcsetattr` works). So whoever lost the terminal ends as programs do that do not listen: by SIGHUP.
 */
import { isatty } from "node:tty";

const terminals = [0, 1, 2].filter((fd) => isatty(fd));

/** At once; what waits to be written is lost. */
export function endProcess(code: number): never {
  if (terminals.some((fd) => !isatty(fd))) {
    process.removeAllListeners("SIGHUP");
    process.kill(process.pid, "SIGHUP");
  }
  process.exit(code);
}
