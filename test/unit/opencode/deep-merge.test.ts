import { expect, test } from "vitest";
import { deepMerge } from "../../../sidecar/opencode/deep-merge.ts";

test("objects are laid over each other at any depth, and everything else is replaced", () => {
  const under = { mcp: { a: { url: "1", on: true }, b: { url: "2" } }, list: [1, 2], word: "x", kept: null };
  const over = { mcp: { a: { url: "3" }, c: {} }, list: [3], word: { deep: true } };
  expect(deepMerge(under, over)).toEqual({
    mcp: { a: { url: "3", on: true }, b: { url: "2" }, c: {} },
    list: [3],
    word: { deep: true },
    kept: null,
  });
});

test("a member with the name of an object's prototype is a member like any other", () => {
  const over = JSON.parse('{"__proto__":{"polluted":true}}') as Record<string, unknown>;
  const merged = deepMerge({}, over);
  expect(Object.keys(merged)).toEqual(["__proto__"]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});
