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
  expect(editsOf(input)).toMatchObject([{ path: "a", lines }]);
});

test("what becomes of a file besides stands by its name: new, deleted, moved, or in the agent's own word", () => {
  const diff = "@@ -1 +1 @@\n-one\n+two\n";
  const changes = [
    { path: "a", kind: "add", diff: "two\n" },
    { path: "b", kind: "delete", diff: "gone\n-- not a sign\n" },
    { path: "c", kind: "update", move_path: "d", diff },
    { path: "e", kind: "toString", diff },
    { path: "f", kind: "update", diff },
  ];
  expect(editsOf({ changes })?.map(({ path, fate }) => [path, fate])).toEqual([
    ["a", "new file"],
    ["b", "deleted"],
    ["c", "moved to d"],
    ["e", "toString"],
    ["f", undefined],
  ]);
  expect(editsOf({ changes })?.[1]?.lines).toEqual([
    { sign: "-", text: "gone" },
    { sign: "-", text: "-- not a sign" },
  ]);
  expect(besidesEdits({ changes })).toEqual({});
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
  ["a change's own path again", { file_path: "a", changes: [{ path: "a", diff: "+x" }] }, {}],
  ["another path beside changes", { file_path: "b", changes: [{ path: "a", diff: "+x" }] }, { file_path: "b" }],
  [
    "a field within a change",
    {
      changes: [
        { path: "a", diff: "+x" },
        { path: "b", diff: "+x", mode: "0755" },
      ],
    },
    { changes: [{ path: "b", mode: "0755" }] },
  ],
  ["what else there is to patches", { changes: [{ path: "a", diff: "+x" }], run: "evil" }, { run: "evil" }],
])("what a diff does not show is told apart: %s", (_what, input, rest) => {
  expect(editsOf(input)).toBeDefined();
  expect(besidesEdits(input)).toEqual(rest);
});
