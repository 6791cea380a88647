/**
 * AGENTS.md of a checkout that is not trusted. Codex reads the file only together with the checkout's settings, hooks and
 * servers (0.169.0); the words alone may always be read.
 */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import type { AgentConfig } from "../../src/protocol/bootstrap.ts";

/** The same limit as Codex has for all such files together. */
const charactersMax = 32 * 1024;
/** The first that is there counts, as in Codex. */
const names = ["AGENTS.override.md", "AGENTS.md"];

/** Whether the checkout's instructions are wanted; `claude_md` is the word of older requests for them. */
export function isReadingInstructions({ auto_discover: wanted }: AgentConfig): boolean {
  if (typeof wanted === "object") return wanted["agents_md"] === true || wanted["claude_md"] === true;
  return wanted ?? true;
}

/** The checkout's and, nearest to the work, the request's own. */
export function allInstructions(config: AgentConfig, workDir: string): string | undefined {
  const texts = [instructionsOf(config, workDir), config.instructions].filter((text) => text !== undefined);
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

/** Undefined when there are none, or when Codex reads them by itself. */
export function instructionsOf(config: AgentConfig, workDir: string): string | undefined {
  if (config.trust_workspace || config.bare || !isReadingInstructions(config)) return undefined;
  const folders = foldersOf(realPath(workDir) ?? workDir);
  const [root = workDir] = folders;
  const texts = folders.flatMap((folder) => {
    const text = names.map((name) => readInside(join(folder, name), root)).find((found) => found !== undefined);
    return text === undefined
      ? []
      : [`# AGENTS.md instructions for ${folder}\n\n<INSTRUCTIONS>\n${text}\n</INSTRUCTIONS>`];
  });
  return texts.length === 0 ? undefined : texts.join("\n\n").slice(0, charactersMax);
}

/** From the repository's top down to the work dir, so that what is nearest is read last; only the work dir outside of one. */
function foldersOf(workDir: string): string[] {
  const folders = [workDir];
  for (let at = workDir; ; at = dirname(at)) {
    if (at !== workDir) folders.unshift(at);
    if (statSync(join(at, ".git"), { throwIfNoEntry: false })) return folders;
    if (dirname(at) === at) return [workDir];
  }
}

/** A link may not lead out of the checkout: what is behind it would be told to the model. */
function readInside(path: string, root: string): string | undefined {
  const real = realPath(path);
  if (real === undefined || !real.startsWith(root.endsWith(sep) ? root : root + sep)) return undefined;
  try {
    const found = statSync(real);
    return found.isFile() && found.size <= 16 * charactersMax ? readFileSync(real, "utf8") : undefined;
  } catch {
    // Not readable for us: the agent works without it.
    return undefined;
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
