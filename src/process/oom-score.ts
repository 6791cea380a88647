/**
 * Whom the kernel ends first when the machine itself runs out of memory: agents and what they start before sidecars,
 * and those before the daemon. To be easier to spare needs no rights; to be harder needs root.
 */
import { readFileSync, writeFileSync } from "node:fs";

const file = "/proc/self/oom_score_adj";
const agentScore = 300;
const daemonScore = -500;

/** What `start` starts inherits it. */
export function asExpendable<T>(start: () => T): T {
  const own = read();
  if (own === undefined || own >= agentScore || !write(agentScore)) return start();
  try {
    return start();
  } finally {
    write(own);
  }
}

/** Once, by the daemon; its sidecars inherit it. A score that somebody has set already stays. */
export function protectDaemon(): void {
  if (read() === 0) write(daemonScore);
}

function read(): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function write(score: number): boolean {
  try {
    writeFileSync(file, String(score));
    return true;
  } catch {
    // Not ours to lower: then all are equal, as before.
    return false;
  }
}
