import { expect, test } from "vitest";
import { callOf, unwrapped } from "../../../sidecar/codex/item-tool.ts";

test.each([
  ["/bin/bash -lc 'ls -1'", "ls -1"],
  ["bash -c 'a; b\nc'", "a; b\nc"],
  [`/bin/zsh -lc "echo 'it is \\$5'"`, "echo 'it is $5'"],
  // Not one quoted word: taking the quotes off would say something else.
  [`/bin/bash -lc 'a'"b"`, `/bin/bash -lc 'a'"b"`],
  ["/bin/bash -lc ls", "/bin/bash -lc ls"],
  ["python3 -c 'print(1)'", "python3 -c 'print(1)'"],
])("%j is shown as %j", (command, shown) => {
  expect(unwrapped(command)).toBe(shown);
});

const change = (type: string, movePath?: string) => ({ path: "/w/a", kind: { type, move_path: movePath }, diff: "d" });

test.each([
  [[change("add")], "edit"],
  [[change("delete")], "delete"],
  [[change("update", "/w/b")], "move"],
  [[change("delete"), change("add")], "edit"],
])("a patch %j is of the kind %s", (changes, kind) => {
  expect(callOf({ type: "fileChange", id: "i", changes })?.tool).toEqual({ name: "Edit", kind });
});

test("an item of a newer Codex is no tool call", () => {
  expect(callOf({ type: "telepathy", id: "i" })).toBeUndefined();
});
