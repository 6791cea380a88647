import { describe, expect, test } from "vitest";
import { firstLine, shownOutput, shownValue } from "../../../src/web/text/shown.ts";

describe("in the console", () => {
  test("output loses whole escapes; one that does not end hides nothing", () => {
    expect(shownOutput("\x1b[31mred\x1b[0m \x1b]0;title\x07a\u009d0;t\u009cb\r\n")).toBe("red ab\n");
    expect(shownOutput("a\x1b]0;rest\nb\rc")).toBe("a0;rest\nb‹U+000D›c");
  });

  test("what a tool is to do loses nothing, as text and within an object", () => {
    expect(shownValue("ls\x1b]0;rm\x07")).toBe("ls‹U+001B›]0;rm‹U+0007›");
    expect(shownValue({ command: "ls\u009d;rm;\u009c" })).toBe('{\n  "command": "ls‹U+009D›;rm;‹U+009C›"\n}');
    expect(firstLine("ls\x1b]0;rm\x07", 80)).toBe("ls‹U+001B›]0;rm‹U+0007›");
  });
});
