/**
 * Who a pid is. A pid is reused once its process is gone; together with the start time it never is, so
 * whatever is recorded, and whatever is signalled, is the pair.
 */
import { readFileSync, statSync } from "node:fs";
import { execaSync } from "execa";
import { errnoOf } from "../protocol/error.ts";

export interface ProcessIdentity {
  pid: number;
  /** When it started, in the words of the system: compare for equality only. */
  started: string;
}

/** What /proc/PID/stat says of a process. */
export interface ProcessStat extends ProcessIdentity {
  ppid: number;
  /** It has ended and only waits to be reaped. */
  isZombie: boolean;
}

/** When the process started; undefined when there is none, or when it is a zombie. */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform !== "linux") return startedFromPs(pid);
  const stat = readStat(pid);
  return stat && !stat.isZombie ? stat.started : undefined;
}

/** Whether `pid` is alive and still the process that was recorded. */
export function isSameProcess(pid: number, started: string): boolean {
  return startTimeOf(pid) === started;
}

/** Whether it lives and its work dir is this folder, by whatever path. Linux only: elsewhere nobody can tell. */
export function isWorkingIn({ pid, started }: ProcessIdentity, folder: string): boolean {
  if (!isSameProcess(pid, started)) return false;
  try {
    const [one, two] = [statSync(`/proc/${pid}/cwd`), statSync(folder)];
    return one.dev === two.dev && one.ino === two.ino;
  } catch {
    // It ended in between, or is another user's.
    return false;
  }
}

/** Sends a signal to the recorded process and to no other; false when it is gone or not ours to signal. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (target.pid <= 1 || !isSameProcess(target.pid, target.started)) return false;
  try {
    return process.kill(target.pid, signal);
  } catch (error) {
    // It ended in between, or runs as another user: either way there is nothing that we can do to it.
    if (errnoOf(error) === "ESRCH" || errnoOf(error) === "EPERM") return false;
    throw error;
  }
}

/** Linux only. Undefined when the process is gone. */
export function readStat(pid: number): ProcessStat | undefined {
  const text = readProcFile(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold anything, so what follows is counted from the last one.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = "", ppid = "0"] = fields;
  return { pid, ppid: Number(ppid), isZombie: state === "Z" || state === "X", started: fields[startTimeField] ?? "" };
}

/** Field 22 of proc(5), counted from the third. */
const startTimeField = 19;

/** A file below /proc as bytes in a string; undefined when it cannot be read: processes vanish while one looks. */
export function readProcFile(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

function startedFromPs(pid: number): string | undefined {
  const { exitCode, stdout } = execaSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { reject: false });
  const found = /^(\S+)\s+(.+)$/.exec(stdout.trim());
  return exitCode === 0 && found && !found[1]?.startsWith("Z") ? found[2] : undefined;
}
