import { expect, test } from "vitest";
import { isWithin, parseMounts } from "../../../src/runtime/docker/mounts.ts";

test("a mount's root, place and kind are read, with what is written in octal", () => {
  const line = "36 35 98:0 /of\\040it /a\\134b\\040c rw,noatime master:1 shared:2 - ext4 /dev/root rw";
  const plain = "27 1 254:0 / / rw,relatime - overlay overlay rw";
  expect(parseMounts(`${line}\n${plain}\n`)).toEqual([
    { line, root: "/of it", point: "/a\\b c", type: "ext4" },
    { line: plain, root: "/", point: "/", type: "overlay" },
  ]);
});

test("what lies in a folder is told from what is beside it", () => {
  expect(["/a/b", "/a/b/c", "/a/bc", "/a"].map((path) => isWithin(path, "/a/b"))).toEqual([true, true, false, false]);
  expect(isWithin("/a", "/")).toBe(true);
});
