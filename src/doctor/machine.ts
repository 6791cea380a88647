/** The machine: Node, the configuration file, control groups. */
import { ensureCgroup } from "../process/cgroup.ts";
import { limitsAsTheyStand } from "../process/group-limits.ts";
import { limitKinds } from "../protocol/resources.ts";
import { compareVersions } from "../runtime/tested-agents.ts";
import { type Examined, type Finding, machine } from "./finding.ts";

const nodeOldest = "20.19.0";

export async function checkNode(): Promise<Finding[]> {
  const found = process.versions.node;
  if (compareVersions(found, nodeOldest) >= 0) return [machine("node", "ok", found)];
  return [machine("node", "wrong", `${found}, older than ${nodeOldest}`, "Install a newer Node")];
}

export async function checkConfig({ config, configFault }: Examined): Promise<Finding[]> {
  if (config !== undefined) return [machine("configuration", "ok", "can be read")];
  return [
    machine(
      "configuration",
      "wrong",
      configFault ?? "cannot be read",
      "Mend it; what depends on it was not looked at. docs/configuration.md has its keys",
    ),
  ];
}

export async function checkControlGroup(): Promise<Finding[]> {
  const group = ensureCgroup({ sessionId: `doctor-${process.pid}` });
  group?.remove();
  if (group) return [machine("control groups", "ok", "one can be made for each session")];
  return [machine("control groups", "note", "none may be made here: processes are found by marker and descent")];
}

/** What a session may be limited in, as this shell stands; a daemon that a service manager starts may be allowed more. */
export async function checkLimits(): Promise<Finding[]> {
  const support = limitsAsTheyStand();
  const held = limitKinds.filter((kind) => support[kind] === true);
  const reasons = new Map<string, string[]>();
  for (const kind of limitKinds) {
    const reason = support[kind];
    if (reason !== true) reasons.set(reason, [...(reasons.get(reason) ?? []), kind]);
  }
  const lacking = [...reasons].map(([reason, kinds]) => `not ${kinds.join(", ")}: ${reason}`);
  const found = [...(held.length > 0 ? [`${held.join(", ")} of a local session can be held`] : []), ...lacking];
  return [machine("limits", lacking.length === 0 ? "ok" : "note", found.join("; "))];
}
