/**
 * Whether the kernel has killed for want of memory: the counter of our own memory control group, which an agent shares
 * unless it was moved. Sources: `memory.oom_control` (cgroup v1), `memory.events` (v2, with groups below it).
 */
import { join } from "node:path";
import { readProcFile } from "./identity.ts";

/** Processes that were killed so far in this process's memory group; undefined where nobody counts. */
export function oomKillCount(): number | undefined {
  const groups = readProcFile("/proc/self/cgroup") ?? "";
  const mounts = readProcFile("/proc/self/mountinfo") ?? "";
  const file = memoryGroupFile(groups, mounts);
  const counter = file === undefined ? undefined : /^oom_kill (\d+)$/m.exec(readProcFile(file) ?? "")?.[1];
  return counter === undefined ? undefined : Number(counter);
}

/** The file with the counter, by the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`. Pure. */
export function memoryGroupFile(groups: string, mounts: string): string | undefined {
  const v1 = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1];
  if (v1 !== undefined) {
    const mount = mountOf(mounts, (type, options) => type === "cgroup" && options.includes("memory"));
    return mount && join(mount, v1, "memory.oom_control");
  }
  const v2 = /^0::(.*)$/m.exec(groups)?.[1];
  const mount = v2 === undefined ? undefined : mountOf(mounts, (type) => type === "cgroup2");
  return mount && join(mount, v2 ?? "", "memory.events");
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
