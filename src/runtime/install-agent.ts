/**
 * Installs the tested version of an agent's program into the data dir, with the npm of this machine. It appears whole or
 * not at all: it is made and tried in a folder beside its place, and then moved there.
 */
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { isSameProcess, startTimeOf } from "../process/identity.ts";
import { AgentdError, messageOf } from "../protocol/error.ts";
import { folderBytes } from "./folder-bytes.ts";
import { installDir, installedAgents, programIn } from "./installed-agents.ts";
import { type PlatformPackage, platformPackage } from "./platform-package.ts";
import { programVersion } from "./program-version.ts";
import { type TestedName, testedAgents } from "./tested-agents.ts";

export interface InstallWish {
  dataDir: string;
  name: TestedName;
  /** Also when it is there already. */
  isForced: boolean;
  /** One line for people, as it goes on. */
  note: (line: string) => void;
  signal?: AbortSignal;
}

export interface Installation {
  version: string;
  program: string;
  isNew: boolean;
}

/** Programs are hundreds of megabytes; a registry that sends nothing for so long is given up by npm itself, sooner. */
const installMsMax = 30 * 60_000;
const progressMs = 5000;
const tailChars = 2000;

export async function installAgent(wish: InstallWish): Promise<Installation> {
  const { dataDir, name, isForced, note } = wish;
  const { newest: version, title } = testedAgents[name];
  const there = installedAgents(dataDir, name).find((found) => found.version === version);
  if (there && !isForced) return { ...there, isNew: false };
  const wanted = platformPackage(name);
  if (wanted === undefined) {
    throw new AgentdError(
      "agent_not_found",
      `Cannot install ${name}: ${title} has no program for ${process.platform}-${process.arch}. Install it in its makers' own way and name it with agents.${name}.command`,
    );
  }
  const draft = await makeDraft(dataDir, name);
  try {
    note(`${name} ${version}: fetching ${wanted.folder} from the npm registry`);
    await fetchPackage(wish, { wanted, version, draft });
    const program = programIn(draft, name) ?? "";
    await tryProgram(wish, program, version);
    await moveIntoPlace(draft, join(installDir(dataDir), name, version));
  } catch (error) {
    throw explained(wish, error);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return { version, program: programIn(join(installDir(dataDir), name, version), name) ?? "", isNew: true };
}

/** Takes away every version; false when none was there. */
export async function uninstallAgent(dataDir: string, name: TestedName): Promise<boolean> {
  const isThere = installedAgents(dataDir, name).length > 0;
  await rm(join(installDir(dataDir), name), { recursive: true, force: true });
  return isThere;
}

const draftName = /^\.installing-(\d+)-(\d+)-/;

/** A folder of this process; those that dead ones left behind go. */
async function makeDraft(dataDir: string, name: string): Promise<string> {
  const dir = installDir(dataDir);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const entry of await readdir(dir)) {
      const [, pid, started] = draftName.exec(entry) ?? [];
      if (pid !== undefined && started !== undefined && !isSameProcess(Number(pid), started))
        await rm(join(dir, entry), { recursive: true, force: true });
    }
    const draft = join(dir, `.installing-${process.pid}-${startTimeOf(process.pid) ?? "0"}-${name}`);
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { mode: 0o700 });
    return draft;
  } catch (error) {
    throw new AgentdError(
      "internal",
      `Cannot install into "${dir}": ${messageOf(error)}. Make it writable, or name another data dir with --data-dir`,
      { cause: error },
    );
  }
}

/** One package and no script of it: the programs need none, and a package's script could do anything here. */
async function fetchPackage(
  { name, note, signal }: InstallWish,
  { wanted, version, draft }: { wanted: PlatformPackage; version: string; draft: string },
): Promise<void> {
  const startedAt = performance.now();
  const progress = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    void folderBytes(draft).then((bytes) => note(`${name} ${version}: ${megabytes(bytes)} after ${seconds} s`));
  }, progressMs);
  const flags = [
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-save",
    "--no-package-lock",
    "--no-update-notifier",
  ];
  try {
    // A cache of its own, which goes with the draft: a second copy of the program in the person's home helps nobody.
    await execa(
      "npm",
      ["install", "--prefix", draft, "--cache", join(draft, ".cache"), ...flags, wanted.spec(version)],
      {
        cwd: draft,
        stdin: "ignore",
        all: true,
        timeout: installMsMax,
        ...(signal ? { cancelSignal: signal } : {}),
      },
    );
  } finally {
    clearInterval(progress);
  }
  await rm(join(draft, ".cache"), { recursive: true, force: true });
}

async function tryProgram({ name }: InstallWish, program: string, version: string): Promise<void> {
  const said = await programVersion(program);
  if (said.version === version) return;
  throw new AgentdError(
    "agent_failed",
    `Cannot use the installed ${name}: "--version" of its program ${said.version === undefined ? `failed (${said.fault})` : `says ${said.version}`}, expected ${version}. Nothing was kept; try again with --force, or install it in its makers' own way`,
  );
}

/** The old one is moved aside first: a folder cannot be renamed onto one that is not empty. */
async function moveIntoPlace(draft: string, place: string): Promise<void> {
  const aside = `${draft}-old`;
  await mkdir(join(place, ".."), { recursive: true, mode: 0o700 });
  const hadOld = await rename(place, aside).then(
    () => true,
    () => false,
  );
  try {
    await rename(draft, place);
  } catch (error) {
    if (hadOld) await rename(aside, place);
    throw error;
  }
  if (hadOld) await rm(aside, { recursive: true, force: true });
}

/** What went wrong, in words that say what to do. */
function explained({ name, dataDir, signal }: InstallWish, error: unknown): AgentdError {
  if (error instanceof AgentdError) return error;
  const said = npmOutput(error);
  const because = (why: string) =>
    new AgentdError("internal", `Cannot install ${name}: ${why}`, { cause: error, details: { output: said } });
  if (codeOf(error) === "ENOENT")
    return because("there is no npm in PATH. It comes with Node; or install the agent in its makers' own way");
  const code = /npm (?:error|ERR!) code (\S+)/.exec(said)?.[1] ?? codeOf(error);
  if (signal?.aborted) return because("it was interrupted. Nothing was kept");
  switch (code) {
    case "ENOSPC":
      return because(
        `the disk of "${dataDir}" is full: an agent takes up to 1 GB while it is installed. Make room, or name another data dir with --data-dir`,
      );
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "ECONNREFUSED":
    case "ECONNRESET":
    case "ETIMEDOUT":
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return because(
        `the npm registry cannot be reached (${code}). Look at the network, at the proxy, and at "npm config get registry"`,
      );
    case "E401":
    case "E403":
      return because(
        `the npm registry refused it (${code}). Look at "npm config get registry" and at the login for it`,
      );
    case "E404":
    case "ETARGET":
      return because(
        `the npm registry has no such version (${code}). Look at "npm config get registry": a mirror may lag behind`,
      );
    default:
      return because(`npm failed: ${said.slice(-tailChars).trim() || messageOf(error)}`);
  }
}

function npmOutput(error: unknown): string {
  return typeof error === "object" && error !== null && "all" in error && typeof error.all === "string"
    ? error.all
    : "";
}

function codeOf(error: unknown): string | undefined {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_000_000)} MB`;
}
