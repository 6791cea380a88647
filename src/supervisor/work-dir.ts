/** The guard of the agent's project folder: canonical once, then the same bytes are decided on and used. */
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { AgentdError, errnoOf, messageOf } from "../protocol/error.ts";

/** Below the person's home; none of them, nothing in them and nothing above them may be a work dir. */
const sensitive = [
  ".ssh",
  ".gnupg",
  ".aws",
  ".azure",
  ".kube",
  ".docker",
  ".config/gcloud",
  ".config/gh",
  ".claude",
  ".codex",
  ".netrc",
  ".npmrc",
  ".pypirc",
  ".git-credentials",
  ".password-store",
  ".local/share/keyrings",
  "Library/Keychains",
];

/** System places that are nobody's project. */
const systemPlaces = ["/proc", "/sys", "/dev", "/boot", "/etc", "/run/docker.sock", "/var/run/docker.sock"];

export interface WorkDirGuard {
  home: string;
  dataDir: string;
}

/**
 * Returns the folder's canonical path. Throws `invalid_work_dir`: it must be absolute, without `..`, an existing
 * folder that is not reached through a symlink, and neither be, nor be in, nor hold a sensitive place.
 */
export async function checkWorkDir(path: string, guard: WorkDirGuard): Promise<string> {
  const refuse = (message: string, cause?: unknown): never => {
    throw new AgentdError("invalid_work_dir", message, { cause });
  };
  if (path.includes("\0")) refuse("working directory must not contain a NUL character");
  if (!isAbsolute(path)) refuse(`working directory must be absolute: ${path}`);
  if (path.split("/").includes("..")) refuse(`working directory cannot contain '..': ${path}`);
  let real: string;
  try {
    real = await realpath(path);
    if (!(await stat(real)).isDirectory()) refuse(`working directory is not a directory: ${path}`);
  } catch (error) {
    if (error instanceof AgentdError) throw error;
    const isMissing = errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR";
    return refuse(
      isMissing
        ? `working directory does not exist: ${path}`
        : `working directory cannot be opened: ${path} (${messageOf(error)})`,
      error,
    );
  }
  if (real === "/") refuse("working directory cannot be the filesystem root");
  for (const place of await placesOf(guard)) {
    if (isInside(real, place) || isInside(place, real))
      refuse(`working directory cannot be or contain sensitive directory: ${place}`);
  }
  const named = path.replace(/\/+$/, "").replace(/\/(?:\.?\/)+/g, "/");
  if (named !== real) refuse(`working directory is reached through a symlink: ${path}; name it as ${real}`);
  return real;
}

/** Each place as it is named and as it is really reached. */
async function placesOf(guard: WorkDirGuard): Promise<string[]> {
  const named = [...sensitive.map((name) => join(guard.home, name)), ...systemPlaces, guard.dataDir];
  const real = await Promise.all(named.map((place) => realpath(place).catch(() => place)));
  return [...new Set([...named, ...real])];
}

/** Case is folded: on a file system that ignores it, another spelling is the same place. */
function isInside(path: string, folder: string): boolean {
  const way = relative(folder.toLowerCase(), path.toLowerCase());
  return way === "" || (!way.startsWith(`..${sep}`) && way !== ".." && !isAbsolute(way));
}
