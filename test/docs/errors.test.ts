import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { byWord as acp } from "../../sidecar/acp/failure.ts";
import { byWord as claude } from "../../sidecar/claude/failure.ts";
import { byWord as codex } from "../../sidecar/codex/failure.ts";
import { byName as opencode } from "../../sidecar/opencode/failure.ts";
import { errorStatus } from "../../src/protocol/error.ts";
import { ErrorCategory, isRetryable } from "../../src/protocol/event.ts";

const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

test("docs/errors.md has each code once, with its status, a meaning and what to do", () => {
  const rows = tableRows("Codes");
  expect(Object.fromEntries(rows.map(([code, status]) => [code, Number(status?.replace(/[()]/g, ""))]))).toEqual(
    errorStatus,
  );
  expect(rows).toHaveLength(Object.keys(errorStatus).length);
  expect(rows.filter((cells) => cells.length !== 4 || cells.includes(""))).toEqual([]);
});

test("docs/errors.md has each category once, with whether to retry, a meaning and what to do", () => {
  const rows = tableRows("Categories");
  const asWords = Object.entries(isRetryable).map(([category, retryable]) => [category, retryable ? "yes" : "no"]);
  expect(Object.fromEntries(rows.map(([category, retryable]) => [category, retryable]))).toEqual(
    Object.fromEntries(asWords),
  );
  expect(rows.map(([category]) => category)).toEqual(ErrorCategory.options);
  expect(rows.filter((cells) => cells.length !== 4 || cells.includes(""))).toEqual([]);
});

test.each([
  ["Claude Code", 2, claude],
  ["Codex", 3, codex],
  ["OpenCode", 4, opencode],
  ["ACP", 5, acp],
] as const)("docs/errors.md has every word of %s in the row of its category", (_name, column, words) => {
  const rows = tableRows("Facts");
  for (const [word, category] of Object.entries(words)) {
    const cell = rows.find(([name]) => name === category)?.[column];
    expect(cell, `${word} → ${category}`).toContain(word);
  }
});

test("docs/errors.md says for each category of what fact it is made", () => {
  const known = tableRows("Facts").map(([category]) => category ?? "");
  expect(known.toSorted()).toEqual(ErrorCategory.options.toSorted());
});

/** The cells of each row of the table under a heading, without the back-ticks around the first. */
function tableRows(heading: string): string[][] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim().replace(/^`(.*)`$/, "$1")),
    );
}
