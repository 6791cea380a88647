/**
 * Whether the kernel has killed for want of memory: the counter of a memory control group. Sources:
 * `memory.oom_control` (version 1, without groups below it), `memory.events` (version 2, with them).
 */
import { join } from "node:path";
import { hierarchiesOf } from "./hierarchies.ts";
import { readProcFile } from "./identity.ts";

/** Processes that were killed so far in this process's own memory group; undefined where nobody counts. */
export function oomKillCount(): number | undefined {
  const { memory } = hierarchiesOf(readProcFile("/proc/self/cgroup") ?? "", readProcFile("/proc/self/mountinfo") ?? "");
  return memory && oomKillsIn(memory.own, memory.version);
}

/** The same of any memory group. */
export function oomKillsIn(group: string, version: 1 | 2): number | undefined {
  const text = readProcFile(join(group, oomFile(version)));
  const counter = /^oom_kill (\d+)$/m.exec(text ?? "")?.[1];
  return counter === undefined ? undefined : Number(counter);
}

export function oomFile(version: 1 | 2): string {
  return version === 1 ? "memory.oom_control" : "memory.events";
}
