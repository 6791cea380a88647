/**
 * Where groups of ours may be made: below our own group in each hierarchy, as that is the part which may have been
 * handed to us. Pure, from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
 */
import { join } from "node:path";
import type { LimitKind } from "../protocol/resources.ts";

export interface Hierarchy {
  version: 1 | 2;
  /** Our own group. */
  own: string;
  /** Groups are made below it. */
  parent: string;
}

export interface Hierarchies {
  unified?: Hierarchy;
  memory?: Hierarchy;
  cpus?: Hierarchy;
  pids?: Hierarchy;
}

/** In version 2 a group that hands controllers down has no processes: the daemon itself moves into this one below it. */
export const daemonLeaf = "agentd-daemon";

/** The kernel's names for what may be limited. */
export const controllers: Readonly<Record<LimitKind, string>> = { memory: "memory", cpus: "cpu", pids: "pids" };

export function hierarchiesOf(groups: string, mounts: string): Hierarchies {
  const found: Hierarchies = {};
  const unifiedMount = mountOf(mounts, (type) => type === "cgroup2");
  const unifiedGroup = /^0::(.*)$/m.exec(groups)?.[1];
  if (unifiedMount !== undefined && unifiedGroup !== undefined)
    found.unified = hierarchy(2, join(unifiedMount, unifiedGroup));
  for (const [kind, controller] of entriesOf(controllers)) {
    const mount = mountOf(mounts, (type, options) => type === "cgroup" && options.includes(controller));
    const group = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, "m").exec(groups)?.[1];
    if (mount !== undefined && group !== undefined) found[kind] = hierarchy(1, join(mount, group));
    else if (found.unified) found[kind] = found.unified;
  }
  return found;
}

function hierarchy(version: 1 | 2, path: string): Hierarchy {
  const own = path.replace(/\/+$/, "");
  const suffix = `/${daemonLeaf}`;
  return { version, own, parent: own.endsWith(suffix) ? own.slice(0, -suffix.length) : own };
}

/** Each line: ids, root, mount point, options, ` - `, type, source, options of the file system. */
function mountOf(mounts: string, fits: (type: string, options: string[]) => boolean): string | undefined {
  for (const line of mounts.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [type = "", , options = ""] = after.split(" ");
    if (fits(type, options.split(","))) return before.split(" ")[4]?.replaceAll("\\040", " ");
  }
  return undefined;
}

function entriesOf<K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(record) as [K, V][];
}
