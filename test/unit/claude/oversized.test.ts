import { expect, test } from "vitest";
import { standInFor } from "../../../sidecar/claude/oversized.ts";

const line = { stream: "stdout" as const, blob: "1.bin", bytes: 9_000_000, truncated: false };

test("a tool's result that is too long ends its call and names the blob", () => {
  const head =
    '{"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_1","type":"tool_result","content":"aaaa';
  expect(JSON.parse(standInFor({ ...line, head }) ?? "")).toEqual({
    type: "user",
    message: {
      role: "user",
      content: [
        {
          type: "tool_result",
          tool_use_id: "toolu_1",
          content: "[9000000 bytes of output, kept as blob 1.bin]",
          is_error: false,
        },
      ],
    },
    parent_tool_use_id: null,
  });
});

test.each(['{"type":"assistant","message":', '{"type":"user","message":{"content":"aaa', "garbage"])(
  "%s has no stand-in",
  (head) => {
    expect(standInFor({ ...line, head })).toBeUndefined();
  },
);
