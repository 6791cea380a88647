import { expect, test } from "vitest";
import { readFrontMatter } from "../../../src/protocol/front-matter.ts";

test("a file without a head is all body", () => {
  expect(readFrontMatter("# Title\n---\nrest")).toEqual({ fields: {}, body: "# Title\n---\nrest" });
});

test("plain, quoted, folded and listed values are read; maps are passed over", () => {
  const text = `---
name: reviewer
description: "Says \\"no\\": often"
note: 'it''s'
long: >
  one
  two
kept: |
  a
  b
tools: [Read, "Bash"]
more:
  - x
  - y
wrapped: begins here
  and goes on
hooks:
  PreToolUse:
    - matcher: "*"
mcpServers:
  - evil:
      command: touch
---
Body
`;
  expect(readFrontMatter(text)).toEqual({
    fields: {
      name: "reviewer",
      description: 'Says "no": often',
      note: "it's",
      long: "one two",
      kept: "a\nb",
      tools: ["Read", "Bash"],
      more: ["x", "y"],
      wrapped: "begins here and goes on",
    },
    body: "Body\n",
  });
});
