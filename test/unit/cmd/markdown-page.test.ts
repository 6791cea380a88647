import { expect, test } from "vitest";
import { MarkdownPage } from "../../../cmd/markdown-page.ts";
import { noUsage, type SessionEvent } from "../../../src/protocol/event.ts";

function page(events: readonly (SessionEvent | string)[]): string {
  const made = new MarkdownPage("s1");
  const lines = events.map((event) => (typeof event === "string" ? event : JSON.stringify(event)));
  return lines.map((line) => made.line(line)).join("") + made.end();
}

function said(text: string, delta = false, more: object = {}): SessionEvent {
  return { type: "agent_message", data: { turn_id: "t1", item_id: "i1", text, delta, ...more } };
}

function tool(input: unknown, kind: "edit" | "execute" = "execute"): SessionEvent {
  return { type: "tool_use", data: { turn_id: "t1", id: "c1", name: kind === "edit" ? "Edit" : "Bash", kind, input } };
}

test("a turn is read from top to bottom: prompt, words, tools with results, diffs, and how it ended", () => {
  const text = page([
    { type: "user_message", data: { turn_id: "t1", kind: "prompt", text: "Mend it\nplease", by: "ann" } },
    said("Look", true),
    said("Looking at **it**."),
    tool({ command: "npm test" }),
    {
      type: "tool_result",
      data: { turn_id: "t1", id: "c1", name: "Bash", output: "1 failed\n", is_error: true, duration_ms: 1200 },
    },
    tool({ file_path: "a.ts", old_string: "x", new_string: "y" }, "edit"),
    {
      type: "result",
      data: {
        turn_id: "t1",
        session_id: "s1",
        status: "success",
        cost_usd: 0.5,
        duration_ms: 3000,
        num_turns: 1,
        usage: noUsage,
      },
    },
    { type: "exit", data: { code: 0 } },
  ]);
  expect(text).toBe(`
## Prompt by ann

> Mend it  
> please

Looking at **it**.

**● \`Bash  npm test\`**

\`\`\`json
{
  "command": "npm test"
}
\`\`\`

\`Bash\` failed (1.2s):

\`\`\`
1 failed
\`\`\`

**● \`Edit  a.ts\`**

\`\`\`diff
# a.ts
-x
+y
\`\`\`

> — success · 3.0s · $0.50 · 0 in, 0 out

> ■ The agent ended with code 0
`);
});

test("nothing that an agent says is an instruction to a viewer or a terminal", () => {
  const hostile = "<script>x</script> ![p](http://evil/p.png) \x1b]52;c;ZXZpbA==\x07\x1b[2J`<kept>`";
  const text = page([said(`${hostile}\n\`\`\`\n<kept too>\n\`\`\``), tool({ command: "````\n```x" })]);
  expect(text).toContain("&lt;script>x&lt;/script> \\!\\[p](http://evil/p.png) `<kept>`\n```\n<kept too>\n```");
  expect(text).not.toMatch(/[^\P{Cc}\n]/u);
  const fenced = page([
    {
      type: "tool_result",
      data: {
        turn_id: "t1",
        id: "c1",
        name: "Bash",
        output: "```\n# not a head\n````",
        is_error: false,
        duration_ms: 1,
      },
    },
  ]);
  expect(fenced).toContain("\n`````\n```\n# not a head\n````\n`````\n");
});

test("words that never became whole are kept, and marked", () => {
  expect(page([said("half a ", true), said("sentence", true)])).toBe(
    "\nhalf a sentence\n\n> (it was never finished)\n",
  );
  expect(page([said("wrong", true), said("", false, { superseded: true })])).toBe(
    "\nwrong\n\n> (the agent took this back)\n",
  );
});

test("lines of a plain command are one block, and what cannot be read is said to be so", () => {
  const line = (text: string): SessionEvent => ({ type: "stdout", data: { text } });
  expect(page([line("one"), line("two"), "no json"])).toBe("\n    one\n    two\n\n> · unreadable: no json\n");
});
