/** A control group with a memory limit, below our own; only where this process may make one (root, or delegation). */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { memoryGroupFile } from "../../src/process/oom.ts";

export interface MemoryGroup {
  add(pid: number): void;
  /** Once all its members are gone. */
  remove(): void;
}

/** Undefined where none can be made: no Linux, no rights, or a v2 group whose memory controller is not handed down. */
export function makeMemoryGroup(limitBytes: number): MemoryGroup | undefined {
  try {
    const counter = memoryGroupFile(
      readFileSync("/proc/self/cgroup", "utf8"),
      readFileSync("/proc/self/mountinfo", "utf8"),
    );
    if (counter === undefined) return undefined;
    const isV1 = counter.endsWith("memory.oom_control");
    const path = join(dirname(counter), `agentruntime-test-${process.pid}-${Date.now()}`);
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
