/**
 * A control group for one session, where the system lets us make one: a process cannot leave it, and the kernel ends
 * all its members at once (version 2). Limits live in the same group, or where version 1 is in use in one of each
 * controller's. Without any (macOS, no delegation) marker and descent have to do, and no limit can be held.
 */
import { rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AgentdError, messageOf } from "../protocol/error.ts";
import { limitKeys, limitKinds, type ResourceLimits } from "../protocol/resources.ts";
import { makeGroup, setLimit } from "./group-limits.ts";
import { type Hierarchies, type Hierarchy, hierarchiesOf } from "./hierarchies.ts";
import { readProcFile } from "./identity.ts";
import { oomKillsIn } from "./oom.ts";
import type { SessionMarks } from "./session-marks.ts";

export interface Cgroup {
  /** Puts a process, and whatever it starts from now on, into the group; false when the kernel refuses. */
  add(pid: number): boolean;
  /** Runs `act` as a member, so that what it starts is one from its first moment. Throws when the kernel refuses. */
  inside<T>(act: () => T): T;
  /** Members of the group and of groups that members made below it. */
  pids(): number[];
  /** SIGKILL to all members at once (Linux 5.14 and later); false when it is not to be had. */
  kill(): boolean;
  /** How many members the kernel has killed for want of memory; undefined where nobody counts. */
  oomKills(): number | undefined;
  /** Removes the empty group. */
  remove(): void;
}

/**
 * The session's group, made when it is missing; undefined when this process may not have one. With limits it throws
 * instead: what was promised must hold.
 */
export function ensureCgroup(marks: SessionMarks, limits: ResourceLimits = {}): Cgroup | undefined {
  const hierarchies = ownHierarchies();
  const groups: Group[] = [];
  const { unified } = hierarchies;
  if (unified) {
    const group = groupIn(unified, marks);
    if (attempt(() => makeGroup(group.path))) groups.push(group);
  }
  for (const kind of limitKinds) {
    const value = limits[limitKeys[kind]];
    if (value === undefined) continue;
    const hierarchy = hierarchies[kind];
    try {
      if (!hierarchy) throw new Error("this system has no control groups for it");
      const group = groupIn(hierarchy, marks);
      makeGroup(group.path);
      if (!groups.some(({ path }) => path === group.path)) groups.push(group);
      setLimit(kind, hierarchy.version, group.path, value);
    } catch (error) {
      openGroups(groups, hierarchies).remove();
      throw new AgentdError(
        "agent_failed",
        `Cannot limit ${kind} of session "${marks.sessionId}": ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }
  return groups.length === 0 ? undefined : openGroups(groups, hierarchies);
}

/** The session's group if there is one: left behind, say, by a sidecar that died. */
export function findCgroup(marks: SessionMarks): Cgroup | undefined {
  const hierarchies = ownHierarchies();
  const candidates = new Map<string, Group>();
  for (const hierarchy of Object.values(hierarchies)) {
    const group = groupIn(hierarchy, marks);
    if (isThere(group)) candidates.set(group.path, group);
  }
  return candidates.size === 0 ? undefined : openGroups([...candidates.values()], hierarchies);
}

interface Group {
  path: string;
  /** Our own, in the same hierarchy. */
  own: string;
}

function ownHierarchies(): Hierarchies {
  if (process.platform !== "linux") return {};
  return hierarchiesOf(readProcFile("/proc/self/cgroup") ?? "", readProcFile("/proc/self/mountinfo") ?? "");
}

/** A session that an earlier version began has one that names no data dir, until it ends. */
function groupIn({ own, parent }: Hierarchy, { sessionId, dataDirMark }: SessionMarks): Group {
  const id = encodeURIComponent(sessionId);
  const unmarked = { own, path: join(parent, `agentruntime-${id}`) };
  if (dataDirMark === undefined) return unmarked;
  const group = { own, path: join(parent, `agentruntime-${dataDirMark}-${id}`) };
  return isThere(unmarked) && !isThere(group) ? unmarked : group;
}

function isThere({ path }: Group): boolean {
  return readProcFile(join(path, "cgroup.procs")) !== undefined;
}

function openGroups(groups: readonly Group[], { memory }: Hierarchies): Cgroup {
  const enter = (folder: string, pid: number) => writeFileSync(join(folder, "cgroup.procs"), String(pid));
  const memoryGroup = groups.find(({ path }) => memory !== undefined && path.startsWith(`${memory.parent}/`));
  return {
    add: (pid) => groups.every(({ path }) => attempt(() => enter(path, pid))),
    inside: (act) => {
      const entered: Group[] = [];
      try {
        for (const group of groups) {
          enter(group.path, process.pid);
          entered.push(group);
        }
        return act();
      } finally {
        for (const { own } of entered) enter(own, process.pid);
      }
    },
    pids: () => [...new Set(groups.flatMap(({ path }) => membersOf(path)))],
    kill: () => groups.some(({ path }) => attempt(() => writeFileSync(join(path, "cgroup.kill"), "1", { flag: "r+" }))),
    oomKills: () => memoryGroup && memory && oomKillsIn(memoryGroup.path, memory.version),
    remove: () => {
      // A group that still has members stays: the kernel refuses with EBUSY, and the next sweep comes again.
      for (const { path } of groups) attempt(() => rmdirSync(path));
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
