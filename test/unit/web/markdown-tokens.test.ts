import { expect, test } from "vitest";
import { markdownTokens } from "../../../src/web/text/markdown-tokens.ts";

const types = (text: string) => markdownTokens(text)?.map(({ type }) => type);

test("text becomes the blocks that it is made of", () => {
  expect(types("# a\n\nb *c*\n\n- d\n\n```\ne\n```")).toEqual([
    "heading",
    "space",
    "paragraph",
    "space",
    "list",
    "space",
    "code",
  ]);
  expect(markdownTokens("b *c*")).toMatchObject([{ tokens: [{ type: "text", raw: "b " }, { type: "em" }] }]);
});

test.each(["_a", "a*b_", "**a", "~~a", "http://a.b/("])("a paragraph of %j without end is taken as text", (text) => {
  const many = text.repeat(5000);
  expect(markdownTokens(`${many}\n\n*b*`)).toMatchObject([
    { type: "paragraph", tokens: [{ type: "text", raw: many }] },
    { type: "space" },
    { type: "paragraph", tokens: [{ type: "em" }] },
  ]);
});

test.each(["> ", "- ", "1. ", ">1. "])("%j within itself without end is no structure", (text) => {
  expect(markdownTokens(`fine\n${text.repeat(2000)}`)).toBeUndefined();
  expect(markdownTokens(`${text.repeat(3)}a`)).toBeDefined();
});

test("many paragraphs that are just short enough are not read without end either", () => {
  const paragraphs = markdownTokens(Array.from({ length: 40 }, () => "_a".repeat(700)).join("\n\n")) ?? [];
  const last = paragraphs.at(-1);
  expect(last).toMatchObject({ type: "paragraph", tokens: [{ type: "text", raw: "_a".repeat(700) }] });
});

test("a flood is no structure", () => {
  expect(markdownTokens("a ".repeat(40_000))).toBeUndefined();
});
