/** The agents that `agentd agents install` put into the data dir: `DATA_DIR/agents/NAME/VERSION/node_modules/…`. */
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { platformPackage } from "./platform-package.ts";
import { compareVersions, TestedName, testedAgents } from "./tested-agents.ts";

export interface InstalledAgent {
  version: string;
  program: string;
}

export function installDir(dataDir: string): string {
  return join(dataDir, "agents");
}

/** Newest first. What has no program is not there: an installation appears whole. */
export function installedAgents(dataDir: string, name: string): InstalledAgent[] {
  return versionsIn(join(installDir(dataDir), name))
    .sort(compareVersions)
    .reverse()
    .flatMap((version) => {
      const program = programIn(join(installDir(dataDir), name, version), name);
      return program !== undefined && isProgram(program) ? [{ version, program }] : [];
    });
}

/** The one to start: the version that this agentd is tested with, else the newest that is there. */
export function installedAgent(dataDir: string, name: string): InstalledAgent | undefined {
  const known = TestedName.safeParse(name);
  if (!known.success) return undefined;
  const found = installedAgents(dataDir, name);
  return found.find(({ version }) => version === testedAgents[known.data].newest) ?? found[0];
}

/** Where the program is in a folder into which npm installed its package. */
export function programIn(prefix: string, name: string): string | undefined {
  const found = platformPackage(name);
  return found && join(prefix, "node_modules", found.folder, found.file);
}

function versionsIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((entry) => /^\d+\.\d+\.\d+/.test(entry));
  } catch {
    // None was ever installed, or the folder is not ours to read.
    return [];
  }
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Not there, or not ours to run: the next place is tried.
    return false;
  }
}
