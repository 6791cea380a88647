/** The sandbox around the agents of local sessions, as configured and as this machine has it. */
import type { Config } from "./config.ts";
import { AgentdError } from "./protocol/error.ts";
import type { SandboxPlan } from "./protocol/sandbox.ts";
import { sandboxSupport } from "./runtime/bubblewrap.ts";

/** What is the same for all sessions. */
export type LocalSandbox = Omit<SandboxPlan, "temporary_dir" | "node_dir">;

/** Undefined when none is wanted. A daemon that is to keep its agents apart is none where that cannot be done. */
export async function localSandbox(config: Config, runDir: string): Promise<LocalSandbox | undefined> {
  const { local_sandbox: settings, dataDir, tokenFile, configFile, environment, runtimes } = config;
  if (!settings.enabled || !runtimes.includes("local")) return undefined;
  const support = await sandboxSupport(environment["PATH"]);
  if ("fault" in support)
    throw new AgentdError(
      "internal",
      `Cannot keep agents in a sandbox (local_sandbox): ${support.fault}. ${support.advice}, or leave --local-sandbox out`,
    );
  const hide = [dataDir, runDir, tokenFile, ...(configFile === undefined ? [] : [configFile])];
  return { program: support.program, read: settings.read, write: settings.write, hide };
}
