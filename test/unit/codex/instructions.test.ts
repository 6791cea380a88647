import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { instructionsOf } from "../../../sidecar/codex/instructions.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

let folder: TempDir;
let checkout: string;
beforeAll(async () => {
  folder = await tempDir();
  checkout = join(folder.path, "checkout");
  mkdirSync(join(checkout, ".git"), { recursive: true });
  mkdirSync(join(checkout, "deep", "er"), { recursive: true });
  writeFileSync(join(folder.path, "AGENTS.md"), "outside of the checkout");
  writeFileSync(join(checkout, "AGENTS.md"), "at the top");
  writeFileSync(join(checkout, "deep", "AGENTS.md"), "hidden by the override");
  writeFileSync(join(checkout, "deep", "AGENTS.override.md"), "in the middle");
  symlinkSync(join(folder.path, "AGENTS.md"), join(checkout, "deep", "er", "AGENTS.md"));
});
afterAll(() => folder.remove());

test("reads from the checkout's top down to the work dir, and follows no link out of it", () => {
  const text = instructionsOf({}, join(checkout, "deep", "er")) ?? "";
  expect(text.indexOf("at the top")).toBeLessThan(text.indexOf("in the middle"));
  expect(text).toContain("in the middle");
  expect(text).not.toContain("hidden by the override");
  expect(text).not.toContain("outside of the checkout");
});

test("reads nothing when Codex does, or when it was asked not to", () => {
  expect(instructionsOf({ trust_workspace: true }, checkout)).toBeUndefined();
  expect(instructionsOf({ auto_discover: false }, checkout)).toBeUndefined();
  expect(instructionsOf({ bare: true }, checkout)).toBeUndefined();
});

test("reads only the work dir's own file outside of a repository", () => {
  expect(instructionsOf({}, folder.path)).toContain("outside of the checkout");
});
