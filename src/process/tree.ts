/**
 * Everything that a session's agent started, however it was started: by the marks in the environment, by descent,
 * and by membership in the session's cgroup. A process that drops its environment, leaves its parent and lives on a
 * machine without a writable cgroup cannot be found by anyone.
 */
import { readdirSync } from "node:fs";
import { execaSync } from "execa";
import type { Cgroup } from "./cgroup.ts";
import { isSameProcess, type ProcessIdentity, type ProcessStat, readProcFile, readStat } from "./identity.ts";
import { carriesMarks, type SessionMarks } from "./session-marks.ts";

export interface TreeOptions extends SessionMarks {
  /** Processes known to belong to the session; their descendants do too. */
  roots?: readonly ProcessIdentity[];
  cgroup?: Cgroup | undefined;
  /** Processes that are left out, with what they started. */
  apart?: (() => readonly ProcessIdentity[]) | undefined;
}

/** The live processes of a session, each with its start time. Never this process itself. */
export function findSessionProcesses(options: TreeOptions): ProcessIdentity[] {
  const all = process.platform === "linux" ? processesFromProc() : processesFromPs();
  const found = new Set((options.cgroup?.pids() ?? []).filter((pid) => pid !== process.pid));
  for (const root of options.roots ?? []) if (isSameProcess(root.pid, root.started)) found.add(root.pid);
  if (process.platform === "linux") {
    for (const { pid } of all) if (pid !== process.pid && isMarked(pid, options)) found.add(pid);
  } else {
    addGroupMembers(all, found, options.roots ?? []);
  }
  addDescendants(all, found);
  for (const pid of familyOf(all, options.apart?.() ?? [])) found.delete(pid);
  return all.filter(({ pid, isZombie }) => found.has(pid) && !isZombie).map(({ pid, started }) => ({ pid, started }));
}

/** Those of these processes that live, and all that descends from them. */
export function findFamily(roots: readonly ProcessIdentity[]): ProcessIdentity[] {
  const all = process.platform === "linux" ? processesFromProc() : processesFromPs();
  const found = familyOf(all, roots);
  return all.filter(({ pid, isZombie }) => found.has(pid) && !isZombie).map(({ pid, started }) => ({ pid, started }));
}

function familyOf(all: readonly ProcessSeen[], roots: readonly ProcessIdentity[]): Set<number> {
  const found = new Set(roots.filter(({ pid, started }) => isSameProcess(pid, started)).map(({ pid }) => pid));
  if (found.size > 0) addDescendants(all, found);
  return found;
}

interface ProcessSeen extends ProcessStat {
  pgid?: number;
}

function processesFromProc(): ProcessSeen[] {
  const seen: ProcessSeen[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = readStat(pid);
    if (stat) seen.push(stat);
  }
  return seen;
}

function isMarked(pid: number, marks: SessionMarks): boolean {
  const environment = readProcFile(`/proc/${pid}/environ`);
  return environment !== undefined && carriesMarks(environment, marks);
}

/**
 * macOS shows a process's environment to its owner only in part, so the marker is not relied on there: processes are
 * held by descent and by process group alone. A grandchild that called setsid and whose parent has ended is not held.
 */
function processesFromPs(): ProcessSeen[] {
  const { stdout } = execaSync("ps", ["-axo", "pid=,ppid=,pgid=,stat=,lstart="], { maxBuffer: 64 * 1024 * 1024 });
  const seen: ProcessSeen[] = [];
  for (const line of stdout.split("\n")) {
    const found = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (!found) continue;
    const [, pid, ppid, pgid, state = "", started = ""] = found;
    seen.push({ pid: Number(pid), ppid: Number(ppid), pgid: Number(pgid), isZombie: state.startsWith("Z"), started });
  }
  return seen;
}

/** A root leads its own group, which keeps its number while any member is alive. */
function addGroupMembers(all: readonly ProcessSeen[], found: Set<number>, roots: readonly ProcessIdentity[]): void {
  const groups = new Set(roots.map(({ pid }) => pid));
  for (const { pid, pgid } of all) if (pgid !== undefined && groups.has(pgid) && pid !== process.pid) found.add(pid);
}

function addDescendants(all: readonly ProcessSeen[], found: Set<number>): void {
  const children = new Map<number, number[]>();
  for (const { pid, ppid } of all) {
    const siblings = children.get(ppid);
    if (siblings) siblings.push(pid);
    else children.set(ppid, [pid]);
  }
  const unvisited = [...found];
  for (let pid = unvisited.pop(); pid !== undefined; pid = unvisited.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (found.has(child) || child === process.pid) continue;
      found.add(child);
      unvisited.push(child);
    }
  }
}
