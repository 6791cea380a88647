import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contextBlock, mentionBlock, PendingContext } from "../../../sidecar/context-blocks.ts";

let home = "";
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "context-"));
  writeFileSync(join(home, "a.txt"), "one\ntwo\nthree\n");
  execFileSync("mkfifo", [join(home, "fifo")]);
  writeFileSync(join(home, "big.txt"), "x".repeat(256 * 1024 + 1));
});
afterAll(() => rmSync(home, { recursive: true }));

const end = "\n\nThis may or may not be related to the current task.";

test("lines of a mention count from 1, both ends included", () => {
  const path = join(home, "a.txt");
  expect(mentionBlock({ filePath: "a.txt", lineStart: 2, lineEnd: 3 }, home)).toBe(
    `The user mentioned the lines 2 to 3 from ${path}:\ntwo\nthree${end}`,
  );
  expect(mentionBlock({ filePath: "a.txt", lineStart: 2 }, home)).toBe(
    `The user mentioned the lines 2 to 2 from ${path}:\ntwo${end}`,
  );
  expect(mentionBlock({ filePath: path, lineStart: 3, lineEnd: 90 }, "/")).toBe(
    `The user mentioned the lines 3 to 3 from ${path}:\nthree${end}`,
  );
  expect(mentionBlock({ filePath: "a.txt" }, home)).toBe(`The user mentioned the file ${path}:\none\ntwo\nthree${end}`);
});

test.each([
  [{ filePath: "missing.txt" }, "there is no such file"],
  [{ filePath: "fifo" }, "it is not a regular file"],
  [{ filePath: "." }, "it is not a regular file"],
  [{ filePath: "big.txt" }, "it has 262145 bytes or more and 262144 can be passed on"],
  [{ filePath: "a.txt", lineStart: 9 }, "it has 3 lines, and line 9 was asked for"],
  [{ filePath: "a.txt", lineStart: 3, lineEnd: 2 }, "line 2 comes before line 3"],
])("%j cannot be mentioned: %s", (item, why) => {
  expect(() => mentionBlock(item, home)).toThrow(why);
});

test.skipIf(process.platform !== "linux")("files of the system are read although they say that they are empty", () => {
  expect(mentionBlock({ filePath: "/proc/version" }, home)).toContain("Linux version");
  // Endless for who may read it.
  expect(() => mentionBlock({ filePath: "/proc/kmsg" }, home)).toThrow("Cannot mention /proc/kmsg: ");
});

test("context has a text, a file, or both", () => {
  expect(contextBlock({ text: "x", filePath: "/a" })).toBe(`The user selected this text from /a:\nx${end}`);
  expect(contextBlock({ text: "x" })).toBe(`The user selected this text:\nx${end}`);
  expect(contextBlock({ filePath: "/a" })).toBe(
    "The user opened the file /a in the IDE. This may or may not be related to the current task.",
  );
  expect(() => contextBlock({})).toThrow("neither text nor file_path");
});

test("what waits is bounded, taken once, and put back in front", () => {
  const pending = new PendingContext();
  pending.add("a");
  const taken = pending.take();
  pending.add("b");
  pending.restore(taken);
  expect(pending.take()).toEqual(["a", "b"]);
  expect(pending.take()).toEqual([]);
  for (let i = 0; i < 100; i++) pending.add("x");
  expect(() => pending.add("x")).toThrow("100 pieces wait already");
});
