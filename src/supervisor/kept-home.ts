/** Agents in the sandbox that would keep their settings in the home of a person. */
import type { Config } from "../config.ts";
import { AgentdError } from "../protocol/error.ts";
import { homePlaces } from "../protocol/sandbox.ts";

/** Throws `not_permitted`: what an agent writes into its settings there, hooks and tool servers, runs outside when it is started next. */
export function checkKeptHome(agent: string, runtime: string, { agents, local_sandbox }: Config): void {
  if (runtime !== "local" || !local_sandbox.enabled || local_sandbox.user_home) return;
  const harness = agents[agent]?.harness ?? "generic";
  if (homePlaces[harness] === undefined) return;
  throw new AgentdError(
    "not_permitted",
    `Cannot keep the agent "${agent}" in a sandbox and in the home of a person: what it wrote into its settings there would run outside. Ask for agent_home "private", give it a key (agents.${agent}.key_env), or set local_sandbox.user_home in the configuration`,
  );
}
