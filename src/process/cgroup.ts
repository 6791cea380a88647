/**
 * A control group for one session, where the system lets us make one: a process cannot leave it, and the kernel ends
 * all its members at once. Without one (macOS, no delegation, cgroup v1 only) marker and descent have to do.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../protocol/error.ts";
import { readProcFile } from "./identity.ts";

export interface Cgroup {
  /** Puts a process, and whatever it starts from now on, into the group; false when the kernel refuses. */
  add(pid: number): boolean;
  /** Members of the group and of groups that members made below it. */
  pids(): number[];
  /** SIGKILL to all members at once (Linux 5.14 and later); false when it is not to be had. */
  kill(): boolean;
  /** Removes the empty group. */
  remove(): void;
}

/** The session's group, made when it is missing; undefined when this process may not have one. */
export function ensureCgroup(sessionId: string): Cgroup | undefined {
  const path = groupPath(sessionId);
  if (path === undefined) return undefined;
  try {
    mkdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") return undefined;
  }
  return openGroup(path);
}

/** The session's group if there is one: left behind, say, by a sidecar that died. */
export function findCgroup(sessionId: string): Cgroup | undefined {
  const path = groupPath(sessionId);
  return path !== undefined && readProcFile(join(path, "cgroup.procs")) !== undefined ? openGroup(path) : undefined;
}

function openGroup(path: string): Cgroup {
  return {
    add: (pid) => attempt(() => writeFileSync(join(path, "cgroup.procs"), String(pid))),
    pids: () => membersOf(path),
    kill: () => attempt(() => writeFileSync(join(path, "cgroup.kill"), "1")),
    remove: () => {
      // A group that still has members stays: the kernel refuses with EBUSY, and the next sweep comes again.
      attempt(() => rmdirSync(path));
    },
  };
}

function membersOf(path: string): number[] {
  const text = readProcFile(join(path, "cgroup.procs"));
  return text === undefined
    ? []
    : text
        .split("\n")
        .filter((line) => line !== "")
        .map(Number);
}

function attempt(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

/** Below our own group: that is the part of the hierarchy that may have been delegated to us. */
function groupPath(sessionId: string): string | undefined {
  if (process.platform !== "linux") return undefined;
  const mount = cgroup2Mount(readText("/proc/self/mountinfo"));
  const own = /^0::(.*)$/m.exec(readText("/proc/self/cgroup"))?.[1];
  if (mount === undefined || own === undefined) return undefined;
  return join(mount, own, `agentruntime-${encodeURIComponent(sessionId)}`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Where a cgroup v2 hierarchy is mounted, alone or beside v1 ones. Each line: ids, root, mount point, options, ` - `, type. */
export function cgroup2Mount(mountinfo: string): string | undefined {
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    if (!after.startsWith("cgroup2 ")) continue;
    return before.split(" ")[4]?.replaceAll("\\040", " ");
  }
  return undefined;
}
