/**
 * The instructions of an untrusted checkout. With the checkout's configuration off the program does not read these
 * either, so they are named to it: text only, and nothing that a link leads to outside of the checkout.
 */
import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import type { AgentConfig } from "../../src/protocol/bootstrap.ts";
import { errnoOf } from "../../src/protocol/error.ts";

const fileBytesMax = 512 * 1024;

/** The nearest first, of the first name that is there. */
export function instructionFiles(
  config: AgentConfig,
  workDir: string,
  names: readonly string[] = ["AGENTS.md", "CLAUDE.md"],
): string[] {
  const { auto_discover } = config;
  const isWanted = typeof auto_discover === "object" ? auto_discover["claude_md"] === true : (auto_discover ?? true);
  if (config.trust_workspace || config.bare || !isWanted) return [];
  const folders = foldersOf(workDir);
  const checkout = folders.find((folder) => existsSync(join(folder, ".git"))) ?? workDir;
  const inside = folders.filter((folder) => folder === checkout || folder.startsWith(checkout + sep));
  for (const name of names) {
    const found = inside.flatMap((folder) => allowed(join(folder, name), checkout) ?? []);
    if (found.length > 0) return found;
  }
  return [];
}

/** From the work dir up. */
function foldersOf(workDir: string): string[] {
  const folders = [workDir];
  for (let at = workDir; dirname(at) !== at; at = dirname(at)) folders.push(dirname(at));
  return folders;
}

function allowed(path: string, checkout: string): string | undefined {
  try {
    const real = realpathSync(path);
    const found = statSync(real);
    const isInside = real.startsWith(realpathSync(checkout) + sep);
    return isInside && found.isFile() && found.size <= fileBytesMax ? real : undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
