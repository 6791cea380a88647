/** What would hide code from who approves it, at each place where a terminal or a page shows the code. */
import { describe, expect, test } from "vitest";
import { MarkdownPage } from "../../../cmd/markdown-page.ts";
import { Renderer } from "../../../cmd/render.ts";
import { Conversation } from "../../../cmd/view/conversation.ts";
import { lastWord } from "../../../cmd/view/last-word.ts";
import { questionRows } from "../../../cmd/view/question-rows.ts";
import { lineText } from "../../../cmd/view/styled-line.ts";
import type { InputRequired } from "../../../src/protocol/event.ts";

const escapes = [
  ["ESC ] … BEL", "\x1b]", "\x07", "‹U+001B›]", "‹U+0007›"],
  ["its 8-bit form", "\u009d", "\u009c", "‹U+009D›", "‹U+009C›"],
  ["ESC [ … m", "\x1b[", "m", "‹U+001B›[", "m"],
] as const;

describe.each(escapes)("code within %s", (_what, begin, end, shownBegin, shownEnd) => {
  const code = `ls${begin};touch X;:${end}`;
  const written = `ls${shownBegin};touch X;:${shownEnd}`;
  const edit = { file_path: `a${begin}b${end}.ts`, old_string: "return 1;", new_string: `${code} return 1;` };
  const bash = { name: "Bash", kind: "execute", input: { command: code } } as const;
  const asked = (more: Partial<InputRequired>): InputRequired => ({
    ...{ request_id: "r1", turn_id: "t1", kind: "permission", message: code, options: [] },
    ...more,
  });
  const lineOf = (type: string, data: object) => JSON.stringify({ type, data, timestamp: 1, seq: 1 });
  const call = (tool: object) => lineOf("tool_use", { turn_id: "t1", id: "c1", ...tool });

  test("is shown by a question in lines, in its message and its tool", () => {
    const text = new Renderer({ colour: false, sessionId: "s" }).line(
      lineOf("input_required", asked({ tool: { ...bash, input: code } })),
    );
    expect(text.split("\n").filter((line) => line.includes("touch X"))).toHaveLength(2);
    expect(text).toContain(`  ${written}\n`);
    // JSON says it of itself where it can.
    expect(text).toContain(begin.startsWith("\x1b") ? 'Bash "ls\\u001b' : `Bash "${written}"`);
  });

  test("is shown by the head of the keys", () => {
    const rows = (question: InputRequired) =>
      questionRows(question, { width: 200, rowsMax: 20, more: 0, isCallAbove: false }).map(lineText);
    expect(rows(asked({ tool: bash }))[0]).toBe(`? Allow: Bash  ${written}`);
    expect(rows(asked({ kind: "plan" }))[0]).toBe(`? Go on with this plan: ${written}`);
    const questions = [{ id: "q1", text: code, multiple: false, free_text: false }];
    const options = [{ id: "o1", label: code, description: code, question: "q1" }];
    const all = rows(asked({ kind: "question", questions, options }));
    expect(all.slice(0, 2)).toEqual([`? The agent asks: ${written}`, `  1) ${written} ${written}`]);
  });

  test("is shown in the conversation of a view: a call's title and input, the path and lines of an edit", () => {
    const conversation = new Conversation("s");
    conversation.line(call(bash));
    conversation.line(call({ name: "Edit", kind: "edit", input: edit }));
    expect(conversation.at(0)).toMatchObject({ title: `Bash  ${written}`, input: `$ ${written}` });
    const [diff] = (conversation.at(1) as { diffs: { path: string; lines: object[] }[] }).diffs;
    expect(diff?.path).toBe(`a${shownBegin}b${shownEnd}.ts`);
    expect(diff?.lines).toContainEqual({ sign: "+", text: `${written} return 1;` });
  });

  test("is shown in a list of sessions and in an exported page", () => {
    expect(lastWord([lineOf("input_required", asked({}))])).toBe(`? ${written}`);
    const page = new MarkdownPage("s");
    expect(page.line(call(bash))).toContain(`\`Bash  ${written}\``);
    expect(page.line(call({ name: "Edit", kind: "edit", input: edit }))).toContain(`\n+${written} return 1;\n`);
  });
});
