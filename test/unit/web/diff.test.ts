import fc from "fast-check";
import { expect, test } from "vitest";
import { diffLines } from "../../../src/web/text/diff.ts";
import { besidesEdits, editsOf } from "../../../src/web/text/edits.ts";

/** Few words and short texts, so that lines are found again. */
const text = fc
  .array(fc.constantFrom("a", "b", "c", ""), { maxLength: 6 })
  .map((lines) => lines.map((line) => `${line}\n`).join(""));

test("what a diff keeps and removes is the text before, what it keeps and adds the text after", () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = diffLines(before, after);
      // Texts so short that nothing is left out where anything changed.
      if (before === after) return;
      const side = (signs: string) =>
        lines
          .filter(({ sign }) => signs.includes(sign))
          .map((line) => `${line.text}\n`)
          .join("");
      if (lines.some(({ sign }) => sign === "…")) return;
      expect([side(" -"), side(" +")]).toEqual([before, after]);
    }),
  );
});

test("of what stayed the same three lines around a change are shown, and how many are left out", () => {
  const lines = Array.from({ length: 40 }, (_, at) => `line ${at}\n`);
  const shown = diffLines(lines.join(""), lines.join("").replace("line 20\n", "LINE 20\n"));
  expect(shown.map(({ sign, text: words }) => `${sign}${words}`)).toEqual([
    "…17 lines",
    " line 17",
    " line 18",
    " line 19",
    "-line 20",
    "+LINE 20",
    " line 21",
    " line 22",
    " line 23",
    "…16 lines",
  ]);
});

test("texts too long to be compared count as replaced", () => {
  const many = (word: string) => Array.from({ length: 3000 }, (_, at) => `${word} ${at}\n`).join("");
  const lines = diffLines(many("old"), many("new"));
  expect(lines.filter(({ sign }) => sign === "-")).toHaveLength(3000);
  expect(lines.filter(({ sign }) => sign === "+")).toHaveLength(3000);
});

const changed = [
  { sign: "-", text: "one" },
  { sign: "+", text: "two" },
];

test.each([
  ["Claude Code's Edit", { file_path: "a", old_string: "one", new_string: "two" }, changed],
  ["OpenCode's edit", { filePath: "a", oldString: "one", newString: "two" }, changed],
  ["several at once", { file_path: "a", edits: [{ old_string: "one", new_string: "two" }] }, changed],
  ["ACP's diff", { path: "a", oldText: "one", newText: "two" }, changed],
  ["a whole file", { file_path: "a", content: "two\n" }, [{ sign: "+", text: "two" }]],
  ["Codex's new file", { changes: [{ path: "a", kind: "add", diff: "two\n" }] }, [{ sign: "+", text: "two" }]],
  [
    "Codex's change",
    { changes: [{ path: "a", kind: "update", diff: "@@ -1 +1 @@\n-one\n+two\n" }] },
    [{ sign: "…", text: "@@ -1 +1 @@" }, ...changed],
  ],
])("%s is read as a change of its file", (_name, input, lines) => {
  expect(editsOf(input)).toEqual([{ path: "a", lines }]);
});

test.each([
  [undefined],
  ["text"],
  [{ command: "ls" }],
  [{ file_path: "a" }],
  [{ changes: [] }],
  [{ old_string: "a", new_string: "b" }],
])("%j is none", (input) => {
  expect(editsOf(input)).toBeUndefined();
});

test.each([
  ["all of a change", { file_path: "a", old_string: "x", new_string: "y" }, {}],
  [
    "a field of a change",
    { file_path: "a", old_string: "x", new_string: "y", replace_all: true },
    { replace_all: true },
  ],
  ["a second form of a change", { path: "a", oldString: "x", newString: "y", content: "z" }, { content: "z" }],
  ["a second path", { file_path: "a", path: "b", content: "z" }, { path: "b" }],
  ["all of pieces", { path: "a", edits: [{ oldText: "x", newText: "y" }] }, {}],
  [
    "a field within a piece",
    { path: "a", edits: [{ old_string: "x", new_string: "y", all: true }] },
    { edits: [{ old_string: "x", new_string: "y", all: true }] },
  ],
  ["what else there is to patches", { changes: [{ path: "a", diff: "+x" }], run: "evil" }, { run: "evil" }],
])("what a diff does not show is told apart: %s", (_what, input, rest) => {
  expect(editsOf(input)).toBeDefined();
  expect(besidesEdits(input)).toEqual(rest);
});
