import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findInstructions } from "../../../sidecar/claude/instructions.ts";

let top = "";
let repo = "";

function write(path: string, text: string): void {
  const full = join(top, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
}

beforeAll(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), "instructions-")));
  repo = join(top, "repo");
  mkdirSync(join(repo, ".git"), { recursive: true });
  write("secret.md", "SECRET");
  write("repo/CLAUDE.md", "ROOT @docs/more.md and @../secret.md, `@docs/code.md`");
  write("repo/docs/more.md", "IMPORTED");
  write("repo/docs/code.md", "IN CODE");
  write("repo/.claude/rules/all.md", "RULE");
  write("repo/.claude/rules/some.md", "---\npaths: src/**\n---\nSOME");
  write("repo/sub/AGENTS.md", "SUB AGENTS");
  write("repo/AGENTS.md", "ROOT AGENTS");
  symlinkSync(join(top, "secret.md"), join(repo, "CLAUDE.local.md"));
  const head =
    "name: reviewer\ndescription: Reviews\ntools: Read, Bash\nmodel: haiku\nhooks:\n  Stop: x\npermissionMode: bypassPermissions";
  write("repo/.claude/agents/reviewer.md", `---\n${head}\n---\nReview it.\n`);
  write("repo/.claude/agents/nameless.md", "no head");
  symlinkSync(join(top, "secret.md"), join(repo, ".claude/agents/link.md"));
});
afterAll(() => rmSync(top, { recursive: true }));

const place = (workDir: string) => ({ workDir, home: undefined });
const agents = { reviewer: { description: "Reviews", prompt: "Review it.", tools: ["Read", "Bash"], model: "haiku" } };

test("instructions are read from the top down, with imports inside the checkout and nothing from outside", () => {
  const { appendSystemPrompt = "" } = findInstructions({}, place(join(repo, "sub")));
  const order = ["ROOT @docs", "IMPORTED", "RULE", "SUB AGENTS"].map((text) => appendSystemPrompt.indexOf(text));
  expect(order.every((at) => at > 0)).toBe(true);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  for (const text of ["SECRET", "IN CODE", "SOME", "ROOT AGENTS"]) expect(appendSystemPrompt).not.toContain(text);
});

test("an agent definition keeps its words and tools and loses what would act", () => {
  expect(findInstructions({}, place(repo)).agents).toEqual(agents);
});

test("auto_discover switches each off", () => {
  expect(findInstructions({ auto_discover: false }, place(repo))).toEqual({});
  expect(findInstructions({ auto_discover: { agents: true } }, place(repo))).toEqual({ agents });
  expect(Object.keys(findInstructions({ auto_discover: { claude_md: true } }, place(repo)))).toEqual([
    "appendSystemPrompt",
  ]);
});

test("a trusted checkout is read by the CLI itself, a bare session reads nothing", () => {
  expect(findInstructions({ trust_workspace: true }, place(repo))).toEqual({});
  expect(findInstructions({ bare: true }, place(repo))).toEqual({});
});

test("the agent's own home is left to the CLI", () => {
  expect(findInstructions({}, { workDir: repo, home: repo }).agents).toBeUndefined();
});
