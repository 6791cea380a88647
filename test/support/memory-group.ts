/** A control group with a memory limit, below our own; only where this process may make one (root, or delegation). */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hierarchiesOf } from "../../src/process/hierarchies.ts";

export interface MemoryGroup {
  add(pid: number): void;
  /** Once all its members are gone. */
  remove(): void;
}

/** Undefined where none can be made: no Linux, no rights, or a v2 group whose memory controller is not handed down. */
export function makeMemoryGroup(limitBytes: number): MemoryGroup | undefined {
  try {
    const { memory } = hierarchiesOf(
      readFileSync("/proc/self/cgroup", "utf8"),
      readFileSync("/proc/self/mountinfo", "utf8"),
    );
    if (memory === undefined) return undefined;
    const isV1 = memory.version === 1;
    const path = join(memory.parent, `agentruntime-test-${process.pid}-${Date.now()}`);
    mkdirSync(path);
    try {
      writeFileSync(join(path, isV1 ? "memory.limit_in_bytes" : "memory.max"), String(limitBytes));
    } catch {
      rmdirSync(path);
      return undefined;
    }
    return { add: (pid) => writeFileSync(join(path, "cgroup.procs"), String(pid)), remove: () => rmdirSync(path) };
  } catch {
    return undefined;
  }
}
