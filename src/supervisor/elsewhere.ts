/** What a session cannot have whose engine is on another machine: it stands on a path or a socket of this one. Pure. */
import type { AgentSettings, Config } from "../config.ts";
import type { ContainerSpec } from "../protocol/container.ts";
import type { EgressPolicy } from "../protocol/egress.ts";
import { AgentdError } from "../protocol/error.ts";
import { isRemote } from "../runtime/docker/engine-address.ts";

/** Throws `unsupported_by_runtime` naming it, before anything is made. */
export function checkElsewhere(
  {
    container,
    egress,
    settings,
  }: { container: ContainerSpec; egress: EgressPolicy; settings: AgentSettings | undefined },
  { engine }: Config,
): void {
  if (!isRemote(engine)) return;
  const folder = container.mounts.find(({ type }) => type === "bind");
  const wishes: [what: string, isAsked: boolean][] = [
    [`the folder "${folder?.source}" (mounts, docker.mounts, claude.memory_path)`, folder !== undefined],
    ["a hidden key (hide_key)", settings?.hide_key === true],
    ["a person's login (agents.NAME.login)", settings?.login !== undefined],
    ["services of the host (egress.host_services)", egress.host_services !== undefined],
  ];
  const refused = wishes.find(([, isAsked]) => isAsked);
  if (!refused) return;
  throw new AgentdError(
    "unsupported_by_runtime",
    `Cannot give the session ${refused[0]}: its engine is on another machine, which sees nothing of this one. Leave it out, or use an engine on this machine`,
  );
}
