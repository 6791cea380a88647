/**
 * Where the daemon takes programs from. An agent that is kept apart (in a container, in the sandbox) must not write there: what it
 * leaves would run outside. One that is not kept apart may write there anyway.
 */
import { realpath, stat } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../config.ts";
import { locateAgent } from "../runtime/find-agent.ts";
import { isInside } from "./is-inside.ts";

export interface ProgramPlaces {
  /** Programs, and folders of programs. */
  places: readonly string[];
  /** In which programs are looked for by their names. */
  path: readonly string[];
}

/** Besides those that are nobody's project anyway. */
const foldersOfSystem = ["/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/usr/local/libexec"];

interface ProgramSettings extends Pick<Config, "environment" | "hooks" | "runtimes" | "dataDir"> {
  /** What else agents have of settings says nothing of programs. */
  agents: Readonly<Record<string, Pick<Config["agents"][string], "command" | "args">>>;
}

export function programPlacesOf(config: ProgramSettings): ProgramPlaces {
  const path = (config.environment["PATH"] ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  const ours = [dirname(fileURLToPath(import.meta.url)), process.execPath];
  // Those of containers are in their images.
  const agents = config.runtimes.includes("local") ? [...programsOfAgents(config), ...programsOfHooks(config)] : [];
  return { places: [...foldersOfSystem, ...ours, ...agents], path };
}

function programsOfAgents({
  agents,
  environment,
  dataDir,
}: Pick<ProgramSettings, "agents" | "environment" | "dataDir">): string[] {
  return Object.entries(agents).flatMap(([name, { command, args }]) => {
    const found = locateAgent({ name, command, path: environment["PATH"], dataDir });
    return [...(found ? [found.program] : []), ...scriptIn(args)];
  });
}

function programsOfHooks({ hooks = {} }: Pick<Config, "hooks">): string[] {
  return Object.values(hooks).flatMap(([program = "", ...args] = []) => [...scriptIn([program]), ...scriptIn(args)]);
}

/** What an interpreter is given to run. */
function scriptIn([first]: readonly string[]): string[] {
  return first !== undefined && isAbsolute(first) ? [first] : [];
}

/** The first of them that a folder is, holds or lies in; `folder` is canonical. */
export async function programPlaceIn(folder: string, { places, path }: ProgramPlaces): Promise<string | undefined> {
  for (const place of places)
    for (const named of await bothNames(place)) if (isInside(folder, named) || isInside(named, folder)) return place;
  for (const place of path)
    for (const named of await bothNames(place)) {
      if (isInside(folder, named)) return place;
      if (isInside(named, folder) && !(await isOfProject(named, folder))) return place;
    }
  return undefined;
}

async function bothNames(path: string): Promise<string[]> {
  return [...new Set([path, await realpath(path).catch(() => path)])];
}

/**
 * Whether a folder of PATH belongs to the checkout that is asked for: an activated environment of Python, the programs of npm
 * packages, or what somebody adds to PATH within a repository. They are put into PATH for that project, not for this machine.
 */
async function isOfProject(place: string, folder: string): Promise<boolean> {
  if (place.endsWith(`${sep}node_modules${sep}.bin`)) return true;
  if (await isThere(join(dirname(place), "pyvenv.cfg"))) return true;
  for (let at = dirname(place); isInside(at, folder); at = dirname(at)) {
    if (await isThere(join(at, ".git"))) return true;
    if (dirname(at) === at) return false;
  }
  return false;
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
