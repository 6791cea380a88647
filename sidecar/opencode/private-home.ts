/**
 * Where OpenCode keeps its things when the home is the session's own, and what has to lie there before it starts: it
 * would install a package from the network into any configuration folder that does not have it yet (1.18.33).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface PrivateFolders {
  config: string;
}

/** Undefined for a home that is a person's: nothing of ours is written there. */
export function privateFolders(env: Readonly<Record<string, string>>): PrivateFolders | undefined {
  const home = env["HOME"];
  const config = env["XDG_CONFIG_HOME"];
  // The daemon's choice for a private home; nobody has their own configuration in such a place.
  if (home === undefined || config !== join(home, ".agentruntime", "config")) return undefined;
  return { config: join(config, "opencode") };
}

const dependencies = { "@opencode-ai/plugin": "1.18.33" };

export function preparePrivateHome({ config }: PrivateFolders): void {
  mkdirSync(join(config, "node_modules"), { recursive: true, mode: 0o700 });
  write(join(config, "package.json"), { dependencies });
  write(join(config, "package-lock.json"), { lockfileVersion: 3, packages: { "": { dependencies } } });
}

function write(path: string, value: unknown): void {
  writeFileSync(path, JSON.stringify(value), { mode: 0o600 });
}
