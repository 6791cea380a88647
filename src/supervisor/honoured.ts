/** Refuses what a runtime or an agent cannot honour: nothing that is asked for is ignored. */
import { resolve } from "node:path";
import type { Config } from "../config.ts";
import type { HarnessName } from "../protocol/bootstrap.ts";
import { type CapabilityName, capabilities } from "../protocol/capabilities.ts";
import { AgentdError } from "../protocol/error.ts";
import type { SessionRequest } from "../protocol/http.ts";

/** Fields that only mean something in a container; locally they would be ignored, so they are refused. */
const containerOnly = ["container", "egress", "volumes", "mounts"] as const;

/** Fields of the wire that nothing here honours yet, with what to do instead. */
const unhonoured = {
  pty: "there an agent has no terminal; in a container a plain command may have one",
  persist_session: "there each conversation is kept anyway: resume_session goes on with it",
  lifecycle: "hooks are programs, and the operator's alone to name: `hooks` in the configuration",
  team: "sessions of this version of agentd form no teams. Start a session for each agent",
} as const;

/** What a plain command has no notion of, besides what the table of capabilities says. */
const agentOnly = ["input_timeout", "trust_workspace", "auto_discover", "claude", "codex", "opencode", "acp"] as const;

/** Which capability a field of the request needs. */
const needs: readonly [field: string, capability: CapabilityName, isAsked: (request: SessionRequest) => boolean][] = [
  ["model", "model", ({ model }) => model !== undefined],
  ["effort", "effort", ({ effort }) => effort !== undefined],
  ["max_turns", "max_turns", ({ max_turns }) => max_turns !== undefined],
  ["claude.max_turns", "max_turns", ({ claude }) => claude?.max_turns !== undefined],
  ["claude.allowed_tools", "allowed_tools", ({ claude }) => isAsked(claude?.allowed_tools)],
  ["instructions", "instructions", ({ instructions }) => instructions !== undefined && instructions !== ""],
  ["agent_name", "agent_name", ({ agent_name }) => agent_name !== undefined],
  ["output_schema", "output_schema", ({ output_schema }) => output_schema !== undefined],
  ["max_budget_usd", "max_budget_usd", ({ max_budget_usd }) => max_budget_usd !== undefined],
  ["images", "images", ({ images }) => isAsked(images)],
  ["mcp_servers", "mcp_stdio", ({ mcp_servers }) => isAsked(mcp_servers)],
  ["resume_session", "resume", ({ resume_session }) => resume_session !== undefined],
  ["fork", "fork", ({ fork }) => isAsked(fork)],
  ["permission_mode", "interactive", ({ permission_mode }) => permission_mode === "interactive"],
];

export function checkHonoured(request: SessionRequest, runtime: string, config: Config): void {
  const harness = config.agents[request.agent]?.harness ?? "generic";
  checkAgentFields(request, harness);
  for (const field of containerOnly) {
    if (runtime === "docker" || !isAsked(request[field])) continue;
    throw new AgentdError(
      "unsupported_by_runtime",
      `Cannot use "${field}" with the runtime "${runtime}": it needs a container. Leave it out, or ask for a container runtime`,
    );
  }
  for (const field of ["pty", "persist_session"] as const) {
    if (!isAsked(request[field]) || runtime === "docker") continue;
    throw new AgentdError(
      "unsupported_by_runtime",
      `Cannot use "${field}" with the runtime "${runtime}": ${unhonoured[field]}. Leave it out`,
    );
  }
  for (const field of ["lifecycle", "team"] as const) {
    if (request[field] === undefined) continue;
    throw new AgentdError("unsupported_by_agent", `Cannot use "${field}": ${unhonoured[field]}. Leave it out`);
  }
  if (runtime === "docker") checkContainer(request);
  if (isAsked(request.pty) && harness !== "generic")
    throw new AgentdError(
      "unsupported_by_agent",
      `Cannot use "pty" with the agent "${request.agent}": its program speaks in messages, not to a terminal. Leave it out`,
    );
  checkCredentials(request, runtime, config);
  checkBlocks(request, harness);
  checkOldWords(request, runtime);
}

function checkAgentFields(request: SessionRequest, harness: HarnessName): void {
  const refuse = (field: string) => {
    const why = harness === "generic" ? "it is a plain command" : `its harness "${harness}" has nothing for it`;
    throw new AgentdError(
      "unsupported_by_agent",
      `Cannot use "${field}" with the agent "${request.agent}": ${why}. Leave it out; GET /agents tells what each agent can do`,
    );
  };
  for (const [field, capability, isAskedIn] of needs) {
    if (capabilities[harness][capability] === "none" && isAskedIn(request)) refuse(field);
  }
  if (harness === "generic") {
    const field = agentOnly.find((name) => request[name] !== undefined && request[name] !== false);
    if (field) refuse(field);
  }
  if (request.fork === true && request.resume_session === undefined)
    throw new AgentdError("invalid_request", "Cannot fork: name the conversation to copy in resume_session");
}

/** What would mean something else in a container than it says. */
function checkContainer(request: SessionRequest): void {
  const refuse = (field: string, why: string) =>
    new AgentdError("unsupported_by_runtime", `Cannot use ${field} with the runtime "docker": ${why}`);
  if (request.agent_home === "user")
    throw refuse('agent_home "user"', "no container sees the home of a person. Leave it out");
}

/** A request may say which login it counts on; only the operator says which file that is. */
function checkCredentials({ agent, claude }: SessionRequest, runtime: string, { agents }: Config): void {
  const asked = claude?.credentials_path;
  if (asked === undefined) return;
  const login = agents[agent]?.login;
  if (runtime !== "docker")
    throw new AgentdError(
      "unsupported_by_runtime",
      `Cannot use "claude.credentials_path" with the runtime "${runtime}": there an agent has the login of its home. Leave it out, with agent_home "user"`,
    );
  if (login === undefined || resolve(asked) !== resolve(login))
    throw new AgentdError(
      "not_permitted",
      `Cannot use the login in "${asked.slice(0, 200)}": the operator does not name that file for the agent "${agent}". Leave it out, or set agents.${agent}.login in the configuration`,
    );
}

/** The blocks that are named after a harness say nothing to the others. */
function checkBlocks(request: SessionRequest, harness: HarnessName): void {
  for (const block of ["claude", "codex", "opencode", "acp"] as const) {
    const [first] = Object.keys(request[block] ?? {});
    if (first === undefined || harness === block) continue;
    throw new AgentdError("unsupported_by_agent", `Cannot use "${block}.${first}" with the agent "${request.agent}"`);
  }
}

/** What older clients ask for that has no meaning here, or only one of its meanings. */
function checkOldWords({ claude, codex }: SessionRequest, runtime: string): void {
  if (claude?.memory_path !== undefined && runtime !== "docker") {
    throw new AgentdError(
      "unsupported_by_runtime",
      `Cannot use "claude.memory_path" with the runtime "${runtime}": it is mounted into a container's home. Leave it out`,
    );
  }
  if (claude?.output_format !== undefined && claude.output_format !== "stream-json") {
    throw new AgentdError(
      "unsupported_by_agent",
      `Cannot use "claude.output_format" ${JSON.stringify(claude.output_format.slice(0, 80))}: events are made of "stream-json" alone. Leave it out`,
    );
  }
  const mode = codex?.approval_mode;
  if (mode === undefined || mode === "full-auto") return;
  throw new AgentdError(
    "unsupported_by_agent",
    `Cannot use the "codex.approval_mode" "${mode}": nobody could answer what it asks. Use permission_mode "interactive" and answer, or "full-auto"`,
  );
}

function isAsked(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}
