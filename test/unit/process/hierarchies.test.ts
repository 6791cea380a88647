import { expect, test } from "vitest";
import { hierarchiesOf } from "../../../src/process/hierarchies.ts";

const v1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
const joined = "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
const beside = "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:5 - cgroup2 cgroup2 rw\n";
const v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const at = (version: 1 | 2, own: string, parent = own) => ({ version, own, parent });

test("with version 1, each controller has a hierarchy of its own beside the unified one", () => {
  expect(hierarchiesOf("5:cpu,cpuacct:/c\n4:memory:/a/b\n0::/u\n", v1 + joined + beside)).toEqual({
    unified: at(2, "/sys/fs/cgroup/unified/u"),
    memory: at(1, "/sys/fs/cgroup/memory/a/b"),
    cpus: at(1, "/sys/fs/cgroup/cpu,cpuacct/c"),
    pids: at(2, "/sys/fs/cgroup/unified/u"),
  });
});

test("with version 2, all are the same, and the daemon's own leaf is not where sessions go", () => {
  const unified = at(2, "/sys/fs/cgroup/x.service/agentd-daemon", "/sys/fs/cgroup/x.service");
  expect(hierarchiesOf("0::/x.service/agentd-daemon\n", v2)).toEqual({
    unified,
    memory: unified,
    cpus: unified,
    pids: unified,
  });
});

test("with neither there is nothing", () => expect(hierarchiesOf("", "")).toEqual({}));

test("a mount point with spaces is found", () =>
  expect(hierarchiesOf("0::/\n", "30 23 0:26 / /odd\\040place rw - cgroup2 cgroup2 rw\n").unified).toEqual(
    at(2, "/odd place"),
  ));
