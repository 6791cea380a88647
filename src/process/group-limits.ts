/** Limits of a control group, in both versions of the kernel's interface; and whether they may be set here at all. */
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { type LimitKind, limitKinds } from "../protocol/resources.ts";
import { controllers, daemonLeaf, type Hierarchies, type Hierarchy, hierarchiesOf } from "./hierarchies.ts";
import { readProcFile } from "./identity.ts";

/** What can be limited here; a sentence for what cannot. */
export type LimitSupport = Readonly<Record<LimitKind, true | string>>;

const cpuPeriodUs = 100_000;

/** Writes one limit into a group of that hierarchy. Throws what the kernel says. */
export function setLimit(kind: LimitKind, version: 1 | 2, group: string, value: number): void {
  for (const { file, text, isOptional } of filesOf(kind, version, value)) {
    try {
      writeFileSync(join(group, file), text);
    } catch (error) {
      // No accounting of swap here: then there is none to be limited, or it cannot be.
      if (!isOptional || !["ENOENT", "EOPNOTSUPP", "ENOTSUP"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
}

/** What can be limited from here, after making the way free for it. For the daemon, once. */
export function supportLimits(): LimitSupport {
  handDownControllers(ownHierarchies());
  return probeLimits(ownHierarchies());
}

/** The same as it stands, for one who only looks: nothing is moved or handed down. */
export function limitsAsTheyStand(): LimitSupport {
  return probeLimits(ownHierarchies());
}

function ownHierarchies(): Hierarchies {
  if (process.platform !== "linux") return {};
  return hierarchiesOf(readProcFile("/proc/self/cgroup") ?? "", readProcFile("/proc/self/mountinfo") ?? "");
}

/**
 * Makes the way free for limits, once, by the daemon: in version 2 it moves out of the group whose controllers are to
 * be handed down. Where others live in that group too, or it is not ours, nothing is changed.
 */
function handDownControllers(hierarchies: Hierarchies): void {
  const { unified } = hierarchies;
  const wanted = limitKinds.filter((kind) => hierarchies[kind]?.version === 2).map((kind) => controllers[kind]);
  const offered = (readProcFile(join(unified?.parent ?? "", "cgroup.controllers")) ?? "").trim().split(" ");
  const enabling = wanted.filter((controller) => offered.includes(controller));
  if (!unified || enabling.length === 0) return;
  const leaf = join(unified.parent, daemonLeaf);
  const isThere = unified.own === leaf;
  try {
    if (!isThere) {
      makeGroup(leaf);
      writeFileSync(join(leaf, "cgroup.procs"), String(process.pid));
    }
    writeFileSync(join(unified.parent, "cgroup.subtree_control"), enabling.map((name) => `+${name}`).join(" "));
  } catch {
    // Why is told by the probe that follows; here only the way back matters.
    if (!isThere) attempt(() => writeFileSync(join(unified.own, "cgroup.procs"), String(process.pid)));
    if (!isThere) attempt(() => rmdirSync(leaf));
  }
}

/** Tries each limit on a group made for it. */
function probeLimits(hierarchies: Hierarchies): LimitSupport {
  const probe = (kind: LimitKind): true | string => {
    const hierarchy = hierarchies[kind];
    if (!hierarchy) return "this system has no control groups for it";
    return probeOne(kind, hierarchy);
  };
  return { memory: probe("memory"), cpus: probe("cpus"), pids: probe("pids") };
}

const probeValues: Readonly<Record<LimitKind, number>> = { memory: 64 * 1024 * 1024, cpus: 1, pids: 100 };

function probeOne(kind: LimitKind, { version, parent }: Hierarchy): true | string {
  const group = join(parent, `agentruntime-probe-${process.pid}`);
  try {
    makeGroup(group);
    setLimit(kind, version, group, probeValues[kind]);
    return true;
  } catch (error) {
    const advice = version === 2 ? "run it as a service of its own with Delegate=yes, or as root" : "run it as root";
    return `the control group ${parent} is not ours to limit (${messageOf(error)}); ${advice}`;
  } finally {
    attempt(() => rmdirSync(group));
  }
}

/** Makes a group that may be there already. */
export function makeGroup(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

interface LimitFile {
  file: string;
  text: string;
  isOptional?: true;
}

function filesOf(kind: LimitKind, version: 1 | 2, value: number): LimitFile[] {
  const isV1 = version === 1;
  switch (kind) {
    case "memory":
      // The smaller of the two first: the sum may not be below it. Without swap, a limit is a limit.
      return isV1
        ? [
            { file: "memory.limit_in_bytes", text: String(value) },
            { file: "memory.memsw.limit_in_bytes", text: String(value), isOptional: true },
          ]
        : [
            { file: "memory.max", text: String(value) },
            { file: "memory.swap.max", text: "0", isOptional: true },
          ];
    case "cpus": {
      const quotaUs = Math.max(1000, Math.round(value * cpuPeriodUs));
      return isV1
        ? [
            { file: "cpu.cfs_period_us", text: String(cpuPeriodUs) },
            { file: "cpu.cfs_quota_us", text: String(quotaUs) },
          ]
        : [{ file: "cpu.max", text: `${quotaUs} ${cpuPeriodUs}` }];
    }
    case "pids":
      return [{ file: "pids.max", text: String(value) }];
    default:
      return kind satisfies never;
  }
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // What could not be undone shows in the probe, or stays for the next sweep.
  }
}
