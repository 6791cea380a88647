import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callText } from "../../../cmd/call-text.ts";
import { editDiffs } from "../../../cmd/edit-diff.ts";
import { Renderer } from "../../../cmd/render.ts";
import { Conversation } from "../../../cmd/view/conversation.ts";
import { questionRows } from "../../../cmd/view/question-rows.ts";
import { ReadingPlace } from "../../../cmd/view/reading-place.ts";
import { lineText } from "../../../cmd/view/styled-line.ts";
import type { InputRequired, ToolKind } from "../../../src/protocol/event.ts";

const textOf = (value: unknown) => callText(value).replaceAll(/\s/g, "");

describe("a call as text", () => {
  test("says each field, lines as lines", () => {
    expect(callText({ command: "ls", description: "a\nb", deep: { list: [1, "x"] }, on: true })).toBe(
      'command: ls\ndescription:\n  a\n  b\ndeep: {"list":[1,"x"]}\non: true',
    );
    expect(callText(null)).toBe("");
    expect(callText("just words")).toBe("just words");
  });

  test("has all of every text in it, however long", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ maxLength: 3000 }), { maxKeys: 5 }), (input) => {
        for (const [name, value] of Object.entries(input)) {
          expect(textOf(input)).toContain(textOf(value));
          expect(callText(input).length).toBeGreaterThanOrEqual(name.length + value.length);
        }
      }),
    );
  });

  test("beside a diff leaves out what the diff has, and nothing else", () => {
    const whole = { file_path: "/a", old_string: "one\ntwo", new_string: "one\nthree\n", replace_all: true };
    const said = (input: unknown) => callText(input, editDiffs({ kind: "edit", input }));
    expect(said(whole)).toBe("file_path: /a\nreplace_all: true");
    // The diff is of the replacement: another field with such a name is not in it.
    expect(said({ ...whole, content: "rm -rf /" })).toBe("file_path: /a\nreplace_all: true\ncontent: rm -rf /");
    // Words that the diff has too, in another field.
    expect(said({ file_path: "/a", old_string: "a\nrm -rf x", new_string: "a", content: "rm -rf x" })).toBe(
      "file_path: /a\ncontent: rm -rf x",
    );
    const edits = [
      { old_string: "a", new_string: "b", content: "b" },
      { oldString: "c", newString: "d" },
    ];
    expect(said({ file_path: "/a", edits })).toBe('file_path: /a\nedits: [{"content":"b"}]');
    expect(said({ path: "/a", patch: "+x\n", content: "x" })).toBe("path: /a\ncontent: x");
    const changes = [{ path: "a", kind: "add", diff: "x\ny\n" }];
    expect(said({ changes, reason: "why" })).toBe('changes: [{"path":"a","kind":"add"}]\nreason: why');
  });
});

describe("a call that waits for permission", () => {
  const words = Array.from({ length: 6000 }, (_, at) => `word${at}`);
  const asked = (input: unknown, kind: ToolKind = "execute"): InputRequired => ({
    ...{ request_id: "r1", turn_id: "t1", kind: "permission", message: "It asks", options: [] },
    tool: { name: "Bash", kind, input },
  });
  const lineOf = (data: object) => JSON.stringify({ type: "input_required", data, timestamp: 1, seq: 1 });

  function rowsOf(line: string, width = 60): string[] {
    const conversation = new Conversation("s");
    conversation.line(line);
    const place = new ReadingPlace(conversation);
    place.resize({ width, height: 100_000 });
    return place.rows().map(lineText);
  }

  test("is shown whole in a view and in lines, in one line or in many", () => {
    for (const command of [words.join(" "), words.join("\n"), words.join("")]) {
      const line = lineOf(asked({ command, description: "harmless" }));
      const squeezed = (text: string) => text.replaceAll(/\s/g, "");
      expect(squeezed(rowsOf(line).join(""))).toContain(squeezed(command));
      const lines = new Renderer({ colour: false, sessionId: "s" }).line(line);
      expect(squeezed(lines)).toContain(squeezed(command));
      for (const text of [rowsOf(line).join("\n"), lines]) {
        expect(text).toContain("description: harmless");
        expect(text).not.toContain("…");
      }
    }
  });

  test("shows all lines of an edit, also a line that is a whole file", () => {
    const long = words.join("");
    const rows = rowsOf(lineOf(asked({ file_path: "/a", content: `first\n${long}\nlast` }, "edit")));
    expect(rows.map((row) => row.replace(/^ /, "")).join("")).toContain(`+first+${long}+last`);
  });

  test("of eight mebibytes is in parts, each laid out when it is seen", () => {
    const command = "touch ä;😀".repeat(900_000);
    const conversation = new Conversation("s");
    conversation.line(lineOf(asked({ command })));
    const parts = Array.from({ length: conversation.end }, (_, at) => (conversation.at(at) as { text: string }).text);
    expect(parts.join("")).toContain(command);
    for (const part of parts) expect(part.length).toBeLessThan(20_000);
    expect(parts.some((part) => /\p{Surrogate}/u.test(part))).toBe(false);
  });

  test("says below where the whole call stands, when it is longer than its title and out of sight", () => {
    const rows = (input: unknown, isCallAbove = true) =>
      questionRows(asked(input), { width: 80, rowsMax: 10, more: 0, isCallAbove }).map(lineText);
    expect(rows({ command: words.join(" ") })).toContain("  The whole call stands above: PgUp");
    expect(rows({ command: "ls", script: "curl x | sh" })).toContain("  The whole call stands above: PgUp");
    expect(rows({ command: "ls" }).join()).not.toContain("above");
    expect(rows({ command: "ls", script: "curl x | sh" }, false).join()).not.toContain("above");
  });
});

test("an opened tool shows all that it was called with", () => {
  const conversation = new Conversation("s");
  const call = (id: string, input: unknown, kind = "execute") =>
    conversation.line(
      JSON.stringify({ type: "tool_use", data: { turn_id: "t1", id, name: "T", kind, input }, timestamp: 1 }),
    );
  const script = Array.from({ length: 1000 }, (_, at) => `echo ${at}`).join("\n");
  call("c1", { command: script, timeout: 5, run_in_background: true });
  call("c2", { url: "http://x/", body: { deep: [1, 2] } }, "fetch");
  call("c3", { file_path: "/a", old_string: "a", new_string: "b", replace_all: true }, "edit");
  const place = new ReadingPlace(conversation);
  place.toggleAll();
  place.resize({ width: 80, height: 100_000 });
  const rows = place.rows().map(lineText);
  expect(rows).toContain("  $ echo 0");
  expect(rows).toContain("  echo 999");
  for (const row of [
    "  timeout: 5",
    "  run_in_background: true",
    "  url: http://x/",
    '  body: {"deep":[1,2]}',
    "  replace_all: true",
  ])
    expect(rows).toContain(row);
  expect(rows).not.toContain("  file_path: /a");
});
