/** Processor time and memory of a process, from /proc. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Milliseconds of processor time so far, user and system. */
export function cpuMs(pid: number): number {
  // Behind the command in brackets, which may contain blanks: state is field 3, utime 14, stime 15.
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  const ticksPerSecond = 100;
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

/** KiB that would be free if the process ended. */
export function privateKib(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  return [...text.matchAll(/^Private_\w+:\s+(\d+) kB$/gm)].reduce((sum, [, kib]) => sum + Number(kib), 0);
}

/** The sidecar of a session, by the daemon's own record of it. */
export function sidecarPid(dataDir: string, sessionId: string): number {
  return JSON.parse(readFileSync(join(dataDir, "sessions", sessionId, "sidecar.json"), "utf8")).pid;
}

/** Direct children whose command line contains a word. */
export function childrenOf(pid: number, word: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      try {
        const parent = Number(
          readFileSync(`/proc/${child}/stat`, "latin1")
            .replace(/^.*\) /s, "")
            .split(" ")[1],
        );
        return parent === pid && readFileSync(`/proc/${child}/cmdline`, "latin1").includes(word);
      } catch {
        return false;
      }
    });
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
