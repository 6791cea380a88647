/** What the pinned programs say, and what the repository holds of it. */
import { mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { acpFacts } from "./acp.ts";
import { claudeFacts } from "./claude.ts";
import { codexFacts } from "./codex.ts";
import { changes, type Facts } from "./compare.ts";
import { opencodeFacts, unknownRoutes } from "./opencode.ts";

const makers: Readonly<Record<string, (dir: string) => Promise<Facts> | Facts>> = {
  claude: claudeFacts,
  codex: codexFacts,
  opencode: opencodeFacts,
  acp: acpFacts,
};
export const checkedNames = Object.keys(makers);

const Held = z.record(z.string(), z.string());

export async function checkAgent(name: string): Promise<string[]> {
  const routes = name === "opencode" ? unknownRoutes().map((route) => `opencode: ${route} is not watched`) : [];
  return [
    ...routes,
    ...changes(name, Held.parse(JSON.parse(await readFile(fileOf(name), "utf8"))), await factsOf(name)),
  ];
}

/** Writes what is found as what is relied on. */
export async function holdAgent(name: string): Promise<void> {
  const facts = Object.fromEntries(Object.entries(await factsOf(name)).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFile(fileOf(name), `${JSON.stringify(facts, undefined, 2)}\n`);
}

async function factsOf(name: string): Promise<Facts> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "agentd-test-agents-")));
  try {
    return (await makers[name]?.(dir)) ?? {};
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function fileOf(name: string): URL {
  return new URL(`../../fixtures/relied-on/${name}.json`, import.meta.url);
}
