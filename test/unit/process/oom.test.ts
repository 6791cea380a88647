import { expect, test } from "vitest";
import { memoryGroupFile } from "../../../src/process/oom.ts";

const v1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
const v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

test.each([
  ["cgroup v1", "5:cpu:/\n4:memory:/a/b\n0::/\n", v1 + v2, "/sys/fs/cgroup/memory/a/b/memory.oom_control"],
  ["cgroup v1 with controllers joined", "4:cpu,memory:/a\n", v1, "/sys/fs/cgroup/memory/a/memory.oom_control"],
  ["cgroup v2", "0::/user.slice/x\n", v2, "/sys/fs/cgroup/user.slice/x/memory.events"],
  ["no control groups", "", "", undefined],
])("the counter is found with %s", (_name, groups, mounts, file) => expect(memoryGroupFile(groups, mounts)).toBe(file));
