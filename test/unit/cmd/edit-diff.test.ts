import { expect, test } from "vitest";
import { editDiffs } from "../../../cmd/edit-diff.ts";

/** Each file's path, then its lines with their signs. */
function shown(input: unknown, kind = "edit"): string[] {
  return editDiffs({ kind, input }).flatMap(({ path, lines }) => [path, ...lines.map(({ sign, text }) => sign + text)]);
}

test.each<[string, unknown, string[]]>([
  [
    "a replacement of Claude Code",
    { file_path: "/w/a.ts", old_string: "one\ntwo\nthree", new_string: "one\n2\n2.5\nthree" },
    ["/w/a.ts", " one", "-two", "+2", "+2.5", " three"],
  ],
  ["a replacement of OpenCode", { filePath: "a", oldString: "beta", newString: "gamma" }, ["a", "-beta", "+gamma"]],
  [
    "several replacements in one call",
    {
      file_path: "a",
      edits: [
        { old_string: "x", new_string: "y" },
        { old_string: "p\n", new_string: "" },
      ],
    },
    ["a", "-x", "+y", "-p"],
  ],
  ["a new file", { file_path: "n.txt", content: "alpha\nbeta\n" }, ["n.txt", "+alpha", "+beta"]],
  [
    "changes of Codex",
    {
      changes: [
        { path: "/w/n", kind: "add", diff: "new\n" },
        { path: "/w/o", kind: { type: "delete" }, diff: "old\n" },
        { path: "/w/u", kind: { type: "update", move_path: null }, diff: "@@ -1,2 +1,2 @@\n same\n-a\n+b\n" },
      ],
    },
    ["/w/n", "+new", "/w/o", "-old", "/w/u", "@@@ -1,2 +1,2 @@", " same", "-a", "+b"],
  ],
  [
    "a whole diff beside the content",
    { filepath: "a", content: "b\n", diff: "--- a\n+++ a\n@@ -0,0 +1 @@\n+b\n" },
    ["", "@--- a", "@+++ a", "@@@ -0,0 +1 @@", "+b"],
  ],
  ["words that we do not know", { what: "ever" }, []],
  ["no words at all", null, []],
])("%s becomes lines that go and come", (_title, input, lines) => {
  expect(shown(input)).toEqual(lines);
});

test("a call that edits nothing has none, whatever its input looks like", () => {
  expect(shown({ file_path: "a", content: "b" }, "read")).toEqual([]);
});

test("what is too long to be compared is all gone and all new, and quickly so", () => {
  const lines = (word: string) => Array.from({ length: 50_000 }, (_, i) => `${word}${i}`).join("\n");
  const all = shown({ file_path: "a", old_string: lines("a"), new_string: lines("b") });
  expect(all).toHaveLength(100_001);
  expect([all[1], all[50_000], all[50_001]]).toEqual(["-a0", "-a49999", "+b0"]);
});
