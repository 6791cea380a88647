/** The drift guard: what the harnesses rely on is what the pinned programs say, each asked itself. */
import { expect, test } from "vitest";
import { checkAgent, checkedNames } from "../tools/agents/all.ts";

test.each(checkedNames)("%s still says what we rely on", { timeout: 180_000 }, async (name) => {
  expect(await checkAgent(name)).toEqual([]);
});
