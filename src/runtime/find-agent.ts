/** Where an agent's program is: by configuration, then as installed by agentd, then in PATH, then beside agentd. */
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installedAgent, isProgram, programIn } from "./installed-agents.ts";

export type AgentSource = "configuration" | "installed" | "path" | "beside";

export interface AgentWanted {
  name: string;
  command: string | undefined;
  path: string | undefined;
  /** Where `agentd agents install` puts programs. */
  dataDir?: string | undefined;
}

export interface FoundAgent {
  program: string;
  source: AgentSource;
}

/**
 * The program to start. A name that is found nowhere is returned as it is: starting it then fails with an error
 * that the session shows.
 */
export function findAgent(wanted: AgentWanted): string {
  return locateAgent(wanted)?.program ?? wanted.command ?? wanted.name;
}

/** Undefined when there is nothing that could be started. */
export function locateAgent({ name, command, path, dataDir }: AgentWanted): FoundAgent | undefined {
  if (command !== undefined) {
    const program = isAbsolute(command) ? command : inPath(command, path);
    return program !== undefined && isProgram(program) ? { program, source: "configuration" } : undefined;
  }
  const installed = dataDir === undefined ? undefined : installedAgent(dataDir, name)?.program;
  if (installed !== undefined) return { program: installed, source: "installed" };
  const onPath = inPath(name, path);
  if (onPath !== undefined) return { program: onPath, source: "path" };
  const beside = besideUs(name);
  return beside === undefined ? undefined : { program: beside, source: "beside" };
}

function inPath(name: string, path: string | undefined): string | undefined {
  if (name.includes("/")) return undefined;
  return (path ?? "")
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name))
    .find(isProgram);
}

function besideUs(name: string): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = programIn(folder, name);
    if (candidate === undefined || isProgram(candidate)) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}
