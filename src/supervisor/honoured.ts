/** Refuses what a runtime or an agent cannot honour: nothing that is asked for is ignored. */
import type { Config } from "../config.ts";
import { AgentdError } from "../protocol/error.ts";
import type { SessionRequest } from "../protocol/http.ts";

/** Fields that only mean something in a container; locally they would be ignored, so they are refused. */
const containerOnly = ["container", "volumes", "mounts", "pty", "persist_session"] as const;

/** Fields of the wire that nothing here honours yet; each says so rather than being ignored. */
const unhonoured = ["mcp_servers", "lifecycle", "team"] as const;

/** What a plain command has no notion of. */
const agentOnly = [
  "model",
  "effort",
  "max_turns",
  "resume_session",
  "fork",
  "input_timeout",
  "trust_workspace",
  "auto_discover",
  "claude",
] as const;

/** What writes into a container's home. */
const homeFiles = {
  claude: ["settings_json", "claude_md", "mcp_json", "credentials_path", "memory_path", "output_format"],
  codex: ["config_toml", "instructions"],
} as const;

export function checkHonoured(request: SessionRequest, runtime: string, config: Config): void {
  checkAgentFields(request, config);
  for (const field of containerOnly) {
    if (!isAsked(request[field])) continue;
    throw new AgentdError(
      "unsupported_by_runtime",
      `Cannot use "${field}" with the runtime "${runtime}": it needs a container. Leave it out, or ask for a container runtime`,
    );
  }
  for (const field of unhonoured) {
    const value = request[field];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    throw new AgentdError(
      "unsupported_by_agent",
      `Cannot use "${field}": this version of agentd does not support it. Leave it out`,
    );
  }
  checkBlocks(request, runtime, config);
}

function checkAgentFields(request: SessionRequest, config: Config): void {
  const { agent } = request;
  if (config.agents[agent]?.harness === "generic") {
    const field =
      agentOnly.find((name) => request[name] !== undefined && request[name] !== false) ??
      (request.permission_mode === "interactive" ? "permission_mode" : undefined);
    if (field)
      throw new AgentdError(
        "unsupported_by_agent",
        `Cannot use "${field}" with the agent "${agent}": it is a plain command. Leave it out`,
      );
  }
  if (request.fork === true && request.resume_session === undefined)
    throw new AgentdError("invalid_request", "Cannot fork: name the conversation to copy in resume_session");
}

/** The blocks that are named after an agent say nothing to the others. */
function checkBlocks(request: SessionRequest, runtime: string, config: Config): void {
  const harness = config.agents[request.agent]?.harness;
  for (const block of ["claude", "codex"] as const) {
    const asked = new Map<string, unknown>(Object.entries(request[block] ?? {}));
    const [first] = asked.keys();
    if (first === undefined) continue;
    if (harness !== block && block === "codex") throw otherAgents(block, first, request.agent);
    const file = homeFiles[block].find((field) => asked.get(field) !== undefined);
    if (file !== undefined) {
      throw new AgentdError(
        "unsupported_by_runtime",
        `Cannot use "${block}.${file}" with the runtime "${runtime}": it writes into a container's home. Leave it out`,
      );
    }
    if (harness !== block) throw otherAgents(block, first, request.agent);
  }
  const mode = request.codex?.approval_mode;
  if (mode === undefined || mode === "full-auto") return;
  throw new AgentdError(
    "unsupported_by_agent",
    `Cannot use the codex.approval_mode "${mode}": nobody could answer what it asks. Use permission_mode "interactive" and answer, or "full-auto"`,
  );
}

function otherAgents(block: string, field: string, agent: string): AgentdError {
  return new AgentdError("unsupported_by_agent", `Cannot use "${block}.${field}" with the agent "${agent}"`);
}

function isAsked(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}
