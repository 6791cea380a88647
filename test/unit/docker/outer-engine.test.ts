/** Which folders an engine outside of the daemon's container has others of: from what such a container's mounts look like. */
import { describe, expect, test } from "vitest";
import { parseMounts } from "../../../src/runtime/docker/mounts.ts";
import { isUnseen } from "../../../src/runtime/docker/outer-engine.ts";

const inContainer = `
612 489 0:53 / / ro,relatime master:188 - overlay overlay ro,lowerdir=/l/A:/l/B,upperdir=/d/diff,workdir=/d/work
613 612 0:57 / /proc rw,nosuid - proc proc rw
617 612 0:63 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw
618 612 0:60 / /dev/shm rw - tmpfs shm rw,size=65536k
621 612 254:0 /srv/projects /srv/projects rw,relatime - ext4 /dev/vda rw
622 612 254:0 /var/lib/agentd /var/lib/agentd rw,relatime - ext4 /dev/vda rw
623 612 0:25 /docker.sock /run/docker.sock rw - tmpfs tmpfs rw,mode=755
624 612 0:40 /scratch /scratch rw - tmpfs tmpfs rw
`;
const onMachine = `
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
25 24 0:25 / /run rw - tmpfs tmpfs rw,mode=755
30 27 254:1 / /home rw - ext4 /dev/vdb rw
`;

function unseen(path: string, { text = inContainer, socket = "/run/docker.sock" } = {}): boolean {
  return isUnseen(path, { mounts: parseMounts(text), socket });
}

describe("an engine outside", () => {
  test.each(["/var/tmp", "/srv", "/opt/x", "/tmp/x", "/dev/shm/x", "/srv/projects-of-others"])(
    "has another %s",
    (path) => {
      expect(unseen(path)).toBe(true);
    },
  );

  test.each(["/srv/projects", "/srv/projects/one", "/var/lib/agentd/chats/x", "/scratch/x"])(
    "has the same %s",
    (path) => {
      expect(unseen(path)).toBe(false);
    },
  );

  test("what is mounted over a place of the container's is not the container's", () => {
    const text = `${inContainer}630 617 254:0 /tmp/shared /tmp/shared rw - ext4 /dev/vda rw\n`;
    expect([unseen("/tmp/shared/x", { text }), unseen("/tmp/other", { text })]).toEqual([false, true]);
  });
});

test("an engine in the same container, or on the same machine, sees all of it", () => {
  expect(unseen("/var/tmp", { socket: "/var/run/own.sock" })).toBe(false);
  expect(unseen("/home/me/project", { text: onMachine })).toBe(false);
  expect(unseen("/srv", { text: onMachine })).toBe(false);
  expect(unseen("/srv", { text: "" })).toBe(false);
});
