import { expect, test } from "vitest";
import { costOf, openAiPrices } from "../../../src/protocol/price.ts";

const usage = {
  input_tokens: 1_000_000,
  output_tokens: 100_000,
  cache_read_input_tokens: 2_000_000,
  cache_creation_input_tokens: 0,
};

test.each([
  ["fresh input, cached input and output have prices of their own", "gpt-5-codex", 1.25 + 0.25 + 1],
  ["a dated snapshot costs what its model costs", "gpt-5-codex-2025-09-15", 2.5],
  ["a gateway's prefix changes nothing", "openai/gpt-5-codex", 2.5],
])("%s", (_title, model, usd) => expect(costOf(model, usage)).toBe(usd));

test.each(["gpt-5-codex-turbo", "claude-opus-5", "constructor", "", undefined])("%s has no price: null", (model) =>
  expect(costOf(model, usage)).toBeNull(),
);

test("the list says where it comes from and of when it is, and no price is free or upside down", () => {
  expect(openAiPrices.asOf).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  expect(openAiPrices.source).toMatch(/^https:/);
  for (const { input, cacheRead, output } of Object.values(openAiPrices.models))
    expect(0 < cacheRead && cacheRead < input && input < output).toBe(true);
});
