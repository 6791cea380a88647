/** Whether agents of local sessions could be kept in a sandbox, and whether they are. */
import { sandboxSupport } from "../runtime/bubblewrap.ts";
import { type Examined, type Finding, machine } from "./finding.ts";

export async function checkSandbox({ config, environment }: Examined): Promise<Finding[]> {
  const support = await sandboxSupport(environment["PATH"]);
  const isWanted = config?.local_sandbox.enabled === true && config.runtimes.includes("local");
  if ("fault" in support) return [machine("local sandbox", isWanted ? "wrong" : "note", support.fault, support.advice)];
  const use = isWanted
    ? "used for local sessions"
    : "not used: local sessions are not contained (local_sandbox.enabled)";
  return [machine("local sandbox", isWanted ? "ok" : "note", `${support.version} works here; ${use}`)];
}
