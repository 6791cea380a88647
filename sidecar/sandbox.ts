/** The command of an agent that sees of this machine what its session needs, and nothing else: bubblewrap around it. */
import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative } from "node:path";
import type { Bootstrap } from "../src/protocol/bootstrap.ts";
import {
  homePlaces,
  type SandboxPlan,
  sandboxNamespaces,
  systemFolders,
  systemMounts,
  underSandbox,
} from "../src/protocol/sandbox.ts";
import { privateEntries } from "./private-files.ts";

/** What a process is started with. */
export interface SandboxStart {
  /** Its first word is the path of a program that is there. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  workDir: string;
}

/** Has files that only root may read, such as passwords and keys of hosts: a daemon of root's has agents of root's. */
const settingsOfSystem = "/etc";
/** What harnesses write for their agents into folders that these do not see. */
const filesInRunDir = ["mcp.json", "settings.json", "qwen-settings.json", "qwen-folders.json"];
const filesInSessionDir = ["opencode-http-status.js"];
const authorities = ["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"];

/** Mounts come in order: what is opened, then what is hidden in it, then what of the hidden is the session's own. */
export function sandboxed(start: SandboxStart, bootstrap: Bootstrap, plan: SandboxPlan): string[] {
  const [program = "", ...args] = start.command;
  const real = realpathSync(program);
  const { workDir } = start;
  const home = start.env["HOME"] ?? "/";
  const isHidden = (path: string) => plan.hide.some((folder) => isInside(path, folder));
  const isOwnHome = isHidden(home);
  const secrets = privateEntries(settingsOfSystem);
  const isSecret = (path: string) => secrets.some((secret) => isInside(path, secret)) && !isHidden(path);
  const opened = [...systemFolders, ...plan.read, ...plan.write, workDir];
  const mounts = [
    ...systemMounts(),
    ...readOnly([nameService()].filter((path) => !isSystem(path))),
    ...["--bind", plan.temporary_dir, "/tmp", "--symlink", "/tmp", "/var/tmp"],
    ...(isOwnHome || home === "/" ? [] : personsHome(home, bootstrap)),
    ...readOnly(plan.read),
    ...writable([...plan.write, workDir]),
    ...[...plan.hide, ...secrets].flatMap((path) => hiding(path, opened)),
    // What the operator names there is meant.
    ...readOnly(plan.read.filter(isSecret)),
    ...writable(plan.write.filter(isSecret)),
    ...writable([...[workDir].filter(isHidden), ...(isOwnHome ? [home] : []), plan.temporary_dir]),
    ...readOnly([codeOf(real), plan.node_dir].filter((path) => !isSystem(path))),
    ...readOnly(filesFor(start, bootstrap)),
    ...["--remount-ro", "/"],
  ];
  const words = [...sandboxNamespaces, ...mounts, "--chdir", workDir];
  return underSandbox(plan.program, words, [isSystem(program) ? program : real, ...args]);
}

/** Empty but for what the agent keeps there. */
function personsHome(home: string, { agent }: Bootstrap): string[] {
  const kept = (homePlaces[agent.harness] ?? []).map((name) => join(home, name));
  const named = [agent.env["CLAUDE_CONFIG_DIR"], agent.env["CODEX_HOME"]].filter((path) => path !== undefined);
  return ["--tmpfs", home, ...writable([...kept, ...named])];
}

function hiding(path: string, opened: readonly string[]): string[] {
  // What is not to be seen anyway would be made there by hiding it.
  if (!opened.some((folder) => isInside(path, folder)) || !existsSync(path)) return [];
  return statSync(path).isDirectory() ? ["--tmpfs", path] : ["--ro-bind", "/dev/null", path];
}

function filesFor({ env }: SandboxStart, { socket_path, session_dir }: Bootstrap): string[] {
  return [
    ...filesInRunDir.map((name) => join(dirname(socket_path), name)),
    ...filesInSessionDir.map((name) => join(session_dir, name)),
    ...authorities.flatMap((name) => env[name] ?? []),
  ];
}

/** `/etc/resolv.conf` may lead out of `/etc`. */
function nameService(): string {
  return existsSync("/etc/resolv.conf") ? realpathSync("/etc/resolv.conf") : "/etc";
}

/** A program that came by npm may need the packages around it. */
function codeOf(program: string): string {
  return /^.*?\/node_modules(?=\/)/.exec(program)?.[0] ?? dirname(program);
}

/** What is not there is left out. */
function readOnly(paths: readonly string[]): string[] {
  return paths.flatMap((path) => ["--ro-bind-try", path, path]);
}

function writable(paths: readonly string[]): string[] {
  return paths.flatMap((path) => ["--bind-try", path, path]);
}

function isSystem(path: string): boolean {
  return systemFolders.some((folder) => isInside(path, folder));
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith("../") && !isAbsolute(way));
}
