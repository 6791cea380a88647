/**
 * The custom agent that a session begins with, from an untrusted checkout. The program reads such files only together
 * with the checkout's configuration (1.18.33); who it is said to be may be read alone. Text only: tools, permissions and
 * models of the definition are left out.
 */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import type { AgentConfig } from "../../src/protocol/bootstrap.ts";
import { errnoOf } from "../../src/protocol/error.ts";
import { readFrontMatter } from "../../src/protocol/front-matter.ts";

const fileBytesMax = 256 * 1024;

/** As the program's configuration names agents; empty when there is no such file, or the program reads it by itself. */
export function customAgent(config: AgentConfig, workDir: string): Record<string, object> {
  const { agent_name: name } = config;
  if (name === undefined || config.trust_workspace || !isWanted(config) || !/^[\w.-]+$/.test(name)) return {};
  for (const folder of ["agent", "agents"]) {
    const text = readInside(join(workDir, ".opencode", folder, `${name}.md`), workDir);
    if (text === undefined) continue;
    const { fields, body } = readFrontMatter(text);
    const { description } = fields;
    const about = typeof description === "string" ? { description } : {};
    return { [name]: { mode: "primary", prompt: body.trim(), ...about } };
  }
  return {};
}

function isWanted({ auto_discover, bare }: AgentConfig): boolean {
  if (bare) return false;
  return typeof auto_discover === "object" ? auto_discover["agents"] === true : (auto_discover ?? true);
}

/** A link that leads out of the checkout could show the model any file of ours. */
function readInside(path: string, workDir: string): string | undefined {
  try {
    const real = realpathSync(path);
    const found = statSync(real);
    const isInside = real.startsWith(realpathSync(workDir) + sep);
    return isInside && found.isFile() && found.size <= fileBytesMax ? readFileSync(real, "utf8") : undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
