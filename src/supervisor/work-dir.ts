/** The guard of the agent's project folder: canonical once, then the same bytes are decided on and used. */
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { AgentdError, errnoOf, messageOf } from "../protocol/error.ts";
import { isInside } from "./is-inside.ts";
import { type ProgramPlaces, programPlaceIn } from "./program-places.ts";

/** Below a home; none of them, nothing in them and nothing above them may be a work dir. */
const sensitive = [
  // Keys and logins.
  ".ssh",
  ".gnupg",
  ".pki",
  ".aws",
  ".azure",
  ".oci",
  ".kube",
  ".docker",
  ".config/gcloud",
  ".config/gh",
  ".config/glab-cli",
  ".config/hub",
  ".config/op",
  ".config/doctl",
  ".config/rclone",
  ".config/sops",
  ".config/age",
  ".config/containers",
  ".netrc",
  ".npmrc",
  ".yarnrc.yml",
  ".pypirc",
  ".pgpass",
  ".my.cnf",
  ".s3cfg",
  ".boto",
  ".git-credentials",
  ".config/git/credentials",
  ".vault-token",
  ".terraform.d",
  ".cargo/credentials",
  ".cargo/credentials.toml",
  ".gem/credentials",
  ".m2/settings.xml",
  ".gradle/gradle.properties",
  ".password-store",
  ".local/share/keyrings",
  ".local/share/kwalletd",
  "Library/Keychains",
  "Library/Application Support",
  // Agents' own.
  ".claude",
  ".claude.json",
  ".codex",
  ".gemini",
  ".qwen",
  ".config/opencode",
  ".local/share/opencode",
  // Browsers, and what runs by itself at a login.
  ".mozilla",
  ".config/google-chrome",
  ".config/chromium",
  ".config/BraveSoftware",
  ".config/systemd",
  ".config/autostart",
];

/** System places that are nobody's project. Sockets of engines and of people's sessions are in `/run`. */
const systemPlaces = [
  ...["/proc", "/sys", "/dev", "/boot", "/etc", "/run", "/var/run"],
  ...["/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec"],
  ...["/var/lib/docker", "/var/lib/containerd", "/var/spool/cron", "/private/etc", "/private/var/run"],
];

/** Folders of homes: a home in one of them is as sensitive as the daemon's own, whoever's it is. */
const foldersOfHomes = ["/home", "/Users"];

export interface WorkDirGuard {
  /** Of the daemon's user. */
  home: string;
  dataDir: string;
  /** Files and folders of agentd's that the configuration puts elsewhere. */
  own: readonly string[];
  /** Where an agent that is kept apart may not write; absent for one that is not, and for what it only reads. */
  programs?: ProgramPlaces;
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
  for (const place of await placesOf(guard, real)) {
    if (!isInside(real, place) && !isInside(place, real)) continue;
    const whose = place === guard.dataDir ? ", the daemon's data dir" : "";
    refuse(`working directory cannot be or contain sensitive directory: ${place}${whose}`);
  }
  const programs = guard.programs && (await programPlaceIn(real, guard.programs));
  if (programs !== undefined)
    refuse(
      `working directory cannot be or contain a place of programs that agentd runs outside: ${programs}. Choose another folder, or mount it with mode "ro"`,
    );
  const named = path.replace(/\/+$/, "").replace(/\/(?:\.?\/)+/g, "/");
  if (named !== real) refuse(`working directory is reached through a symlink: ${path}; name it as ${real}`);
  return real;
}

/** Each place as it is named and as it is really reached. */
async function placesOf({ home, dataDir, own }: WorkDirGuard, path: string): Promise<string[]> {
  const homes = [home, "/root", ...homeOf(path)];
  const inHomes = homes.flatMap((folder) => sensitive.map((name) => join(folder, name)));
  const named = [dataDir, ...inHomes, ...systemPlaces, ...own];
  const real = await Promise.all(named.map((place) => realpath(place).catch(() => place)));
  return [...new Set([...named, ...real])];
}

/** The home that a path leads into; of a folder of homes, some home. */
function homeOf(path: string): string[] {
  return foldersOfHomes.flatMap((folder) => {
    if (!isInside(path, folder)) return [];
    const [name = "anybody"] = relative(folder.toLowerCase(), path.toLowerCase()).split(sep).filter(Boolean);
    return [join(folder, name)];
  });
}
