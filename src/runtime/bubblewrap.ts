/** The program that keeps local agents apart from this machine, and whether it can here. */
import { delimiter, isAbsolute, join } from "node:path";
import { execa } from "execa";
import { sandboxNamespaces, systemMounts, underSandbox } from "../protocol/sandbox.ts";
import { isProgram } from "./installed-agents.ts";

/** What it says of itself, or why agents cannot be kept apart and what to do. */
export type SandboxSupport = { program: string; version: string } | { fault: string; advice: string };

const trialMsMax = 10_000;
const install = "Install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)";

/** Looks for it and tries it: a machine may have the program and still forbid what it needs. */
export async function sandboxSupport(path: string | undefined): Promise<SandboxSupport> {
  if (process.platform !== "linux")
    return { fault: `there is no bubblewrap for ${process.platform}`, advice: "Use it on Linux, or use containers" };
  const folders = (path ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  const program = folders.map((folder) => join(folder, "bwrap")).find(isProgram);
  if (program === undefined) return { fault: `bwrap is in no folder of PATH (${path ?? "not set"})`, advice: install };
  const [file = "", ...args] = underSandbox(program, [...sandboxNamespaces, ...systemMounts()], ["true"]);
  const tried = await execa(file, args, { reject: false, stdin: "ignore", timeout: trialMsMax });
  if (tried.exitCode !== 0)
    return {
      fault: `${program} does not work: ${tried.stderr.trim() || tried.originalMessage || "it says nothing"}`,
      advice:
        "Allow user namespaces to this user (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces; on Ubuntu an AppArmor profile for bwrap), within a container too, and have coreutils 8.31 or newer",
    };
  const said = await execa(program, ["--version"], { reject: false, stdin: "ignore", timeout: trialMsMax });
  return { program, version: said.stdout.trim() };
}
