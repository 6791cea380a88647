/** Says in a sentence why an agent could not be started: what was asked for, what was found, what to do. */
import { access, constants, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { AgentdError, errnoOf, messageOf } from "../src/protocol/error.ts";

export interface SpawnAttempt {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  workDir: string;
}

/** `agent_not_found` when there is no such program, otherwise `agent_failed`. */
export async function spawnFailure(attempt: SpawnAttempt, cause: unknown): Promise<AgentdError> {
  const name = attempt.command[0] ?? "";
  const fail = (code: "agent_not_found" | "agent_failed", found: string) =>
    new AgentdError(code, `Cannot start ${JSON.stringify(name)}: ${found}`, { cause });

  if (!(await isDirectory(attempt.workDir))) {
    return fail("agent_failed", `its work dir ${attempt.workDir} is not a folder; create it or choose another`);
  }
  const path = await findProgram(name, attempt.env["PATH"] ?? "");
  if (path === undefined) {
    const where = name.includes("/")
      ? "there is no such file"
      : `it is in no folder of PATH (${attempt.env["PATH"] ?? "not set"})`;
    return fail("agent_not_found", `${where}; install it, or configure its full path`);
  }
  switch (errnoOf(cause)) {
    case "EACCES":
      return fail("agent_failed", `${path} may not be executed; check its permissions (chmod +x) and its file system`);
    case "ENOENT":
      return fail("agent_failed", `${path} is there, but the interpreter in its first line is not; install that`);
    case "ENOEXEC":
      return fail("agent_failed", `${path} is not a program for this machine; install one that is`);
    case "E2BIG":
      return fail("agent_failed", "its arguments and environment are too long for this system; shorten them");
    default:
      return fail("agent_failed", messageOf(cause));
  }
}

/** Where the program is that would be started. Throws the failure when it could not be. */
export async function startableProgram(attempt: SpawnAttempt): Promise<string> {
  const found = await findProgram(attempt.command[0] ?? "", attempt.env["PATH"] ?? "");
  if (found !== undefined && (await isExecutable(found))) return found;
  throw await spawnFailure(attempt, Object.assign(new Error("it may not be executed"), { code: "EACCES" }));
}

async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  const candidates = name.includes("/")
    ? [name]
    : searchPath.split(delimiter).map((folder) => join(folder || ".", name));
  let unusable: string | undefined;
  for (const path of candidates) {
    if (!(await isFile(path))) continue;
    if (await isExecutable(path)) return path;
    unusable ??= path;
  }
  return unusable;
}

// What cannot be looked at is not there for whoever is to be started with it: the answer names the path.
async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ?? false;
}

// As above: a work dir that the agent's user cannot reach is none for it.
async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
