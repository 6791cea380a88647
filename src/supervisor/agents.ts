/** The agents of the configuration: whether their programs are there, what they can do, and what a checkout adds. */
import { constants } from "node:fs";
import { open, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import type { HarnessName } from "../protocol/bootstrap.ts";
import { capabilities } from "../protocol/capabilities.ts";
import { defined } from "../protocol/defined.ts";
import { readFrontMatter } from "../protocol/front-matter.ts";
import type { AgentView, CustomAgent } from "../protocol/http.ts";
import { locateAgent } from "../runtime/find-agent.ts";

/** Where a checkout keeps agents of its own, by harness. Codex takes roles for its subagents only from its home. */
const folders: Partial<Record<HarnessName, readonly string[]>> = {
  claude: [".claude/agents"],
  opencode: [".opencode/agent", ".opencode/agents"],
};
const filesMax = 100;
const fileBytesMax = 256 * 1024;

/** `workDir` is a checked work dir, whose own agents are listed too. */
export function listAgents(config: Config, workDir: string | undefined): Promise<AgentView[]> {
  return Promise.all(
    Object.entries(config.agents).map(async ([name, { harness, command }]) => {
      const found = locateAgent({ name, command, path: config.environment["PATH"], dataDir: config.dataDir });
      return {
        name,
        harness,
        program: found?.program ?? null,
        program_source: found?.source ?? null,
        is_found: found !== undefined,
        capabilities: { ...capabilities[harness] },
        custom_agents: workDir === undefined ? [] : await customAgents(workDir, folders[harness] ?? []),
      };
    }),
  );
}

async function customAgents(workDir: string, places: readonly string[]): Promise<CustomAgent[]> {
  const found: CustomAgent[] = [];
  for (const place of places) {
    const folder = join(workDir, place);
    // A link could lead out of the checkout, to what its caller may not read.
    if ((await realpath(folder).catch(() => undefined)) !== folder) continue;
    const entries = await readdir(folder, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".md")).map(({ name }) => name);
    for (const file of files.sort()) {
      if (found.length >= filesMax) return found;
      const head = await readHead(join(folder, file));
      if (head === undefined) continue;
      const { name, description } = readFrontMatter(head).fields;
      found.push({
        name: typeof name === "string" ? name : file.slice(0, -".md".length),
        source: `${place}/${file}`,
        ...defined({ description: typeof description === "string" ? description : undefined }),
      });
    }
  }
  return found;
}

/** What is larger is no definition of an agent; what cannot be read is not listed. */
async function readHead(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat();
      return size > fileBytesMax ? undefined : await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
