import * as fc from "fast-check";
import { expect, test } from "vitest";
import { acceptBothSpellings, Command, ContextItem, MentionItem } from "../../../src/protocol/command.ts";

const snakeOf = { filePath: "file_path", lineStart: "line_start", lineEnd: "line_end" } as const;

test("either spelling of each key means the same", () => {
  const item = fc.record({
    filePath: fc.record({ value: fc.string({ minLength: 1 }), snake: fc.boolean() }),
    lineStart: fc.option(fc.record({ value: fc.integer({ min: -3, max: 50 }), snake: fc.boolean() })),
    lineEnd: fc.option(fc.record({ value: fc.integer({ min: -3, max: 50 }), snake: fc.boolean() })),
  });
  void fc.assert(
    fc.property(item, (given) => {
      const sent: Record<string, unknown> = {};
      const meant: Record<string, unknown> = {};
      for (const key of ["filePath", "lineStart", "lineEnd"] as const) {
        const field = given[key];
        if (!field) continue;
        sent[field.snake ? snakeOf[key] : key] = field.value;
        if (typeof field.value === "string" || field.value > 0) meant[key] = field.value;
      }
      const accepted = acceptBothSpellings(sent);
      expect(accepted).toEqual(meant);
      expect(acceptBothSpellings(accepted)).toEqual(accepted);
      expect(MentionItem.parse(accepted)).toEqual(meant);
    }),
  );
});

test("the camel spelling wins when both are there, and what it was given stays as it was", () => {
  const sent = { file_path: "old", filePath: "new", text: "t" };
  expect(acceptBothSpellings(sent)).toEqual({ filePath: "new", text: "t" });
  expect(sent).toEqual({ file_path: "old", filePath: "new", text: "t" });
});

test.each([null, undefined, 7, "text", true, []])("leaves %j to the schema, which refuses it", (data) => {
  expect(acceptBothSpellings(data)).toBe(data);
  expect(Command.safeParse({ type: "context", data }).success).toBe(false);
});

test("a context item may have any of its parts", () => {
  expect(ContextItem.parse({})).toEqual({});
  expect(Command.parse({ type: "interrupt" })).toEqual({ type: "interrupt", data: { reason: "user" } });
});
