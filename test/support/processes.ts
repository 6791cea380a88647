/** Looks at the machine's processes through /proc (Linux), or ps where there is none. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

const sessionMarker = "AGENTRUNTIME_SESSION_ID";

export interface ProcessSeen {
  pid: number;
  commandLine: string;
  environment: string;
  workDir: string;
}

/** Every process that can be looked at, zombies left out: they hold nothing but their exit code. */
export function allProcesses(): ProcessSeen[] {
  return existsSync("/proc/self/environ") ? fromProc() : fromPs();
}

/** Pids of the processes that carry a session's marker; of any session without an id. */
export function sessionProcesses(sessionId?: string): number[] {
  const marker = sessionId === undefined ? `${sessionMarker}=` : `${sessionMarker}=${sessionId}`;
  return allProcesses()
    .filter(({ environment }) =>
      environment
        .split(/[\0 ]/)
        .some((entry) => (sessionId === undefined ? entry.startsWith(marker) : entry === marker)),
    )
    .map(({ pid }) => pid);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch {
    return false;
  }
}

function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

function fromProc(): ProcessSeen[] {
  const seen: ProcessSeen[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const commandLine = readFileSync(`/proc/${name}/cmdline`, "utf8");
      if (commandLine === "") continue;
      seen.push({
        pid: Number(name),
        commandLine: commandLine.replaceAll("\0", " ").trim(),
        environment: readFileSync(`/proc/${name}/environ`, "utf8"),
        workDir: readlinkSync(`/proc/${name}/cwd`),
      });
    } catch {
      // It ended while we looked, or it is not ours to look at.
    }
  }
  return seen;
}

/** macOS: `ps -E` shows the environment behind the command, separated by spaces. */
function fromPs(): ProcessSeen[] {
  const out = execFileSync("ps", ["-axEww", "-o", "pid=,command="], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return out
    .split("\n")
    .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line))
    .filter((found) => found !== null)
    .map(([, pid, text]) => ({ pid: Number(pid), commandLine: text ?? "", environment: text ?? "", workDir: "" }));
}
