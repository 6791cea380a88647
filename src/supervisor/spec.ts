/** A request, checked against what the runtime and the agent can honour, made into a spec. Nothing is created here. */
import type { Config } from "../config.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError } from "../protocol/error.ts";
import type { SessionRequest } from "../protocol/http.ts";
import type { AgentHome, SessionSpec } from "../protocol/session.ts";
import { keyVariables } from "./agent-env.ts";

const uuid = /^(?:urn:uuid:)?\{?([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})\}?$/i;

/** Refuses what does not name a configured agent and a runtime that is enabled here. */
export function checkNames(request: SessionRequest, config: Config): { agent: string; runtime: "local" | "docker" } {
  if (request.interactive !== true && (request.prompt ?? "").trim() === "") {
    throw new AgentdError("invalid_request", "prompt is required, unless the session is interactive");
  }
  const runtime = config.runtimes.find((name) => name === (request.runtime ?? config.runtime));
  if (runtime === undefined) {
    throw new AgentdError(
      "unknown_runtime",
      `unknown runtime: ${request.runtime}; enabled here: ${config.runtimes.join(", ")}`,
      {
        details: { available: [...config.runtimes] },
      },
    );
  }
  if (!Object.hasOwn(config.agents, request.agent)) {
    throw new AgentdError(
      "unknown_agent",
      `unknown agent: ${request.agent}; configured here: ${Object.keys(config.agents).join(", ")}`,
      {
        details: { available: Object.keys(config.agents) },
      },
    );
  }
  return { agent: request.agent, runtime };
}

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
  "trust_workspace",
  "auto_discover",
  "claude",
] as const;

export function checkHonoured(request: SessionRequest, runtime: string, config: Config): void {
  if (config.agents[request.agent]?.harness === "generic") {
    const field = agentOnly.find((name) => request[name] !== undefined && request[name] !== false);
    if (field)
      throw new AgentdError(
        "unsupported_by_agent",
        `Cannot use "${field}" with the agent "${request.agent}": it is a plain command. Leave it out`,
      );
  }
  for (const field of containerOnly) {
    const value = request[field];
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue;
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
  const claude = request.claude ?? {};
  for (const field of [
    "settings_json",
    "claude_md",
    "mcp_json",
    "credentials_path",
    "memory_path",
    "output_format",
  ] as const) {
    if (claude[field] === undefined) continue;
    throw new AgentdError(
      "unsupported_by_runtime",
      `Cannot use "claude.${field}" with the runtime "${runtime}": it writes into a container's home. Leave it out`,
    );
  }
  const codex = request.codex;
  if (codex && Object.keys(codex).length > 0) {
    throw new AgentdError(
      "unsupported_by_agent",
      `Cannot use "codex.${Object.keys(codex)[0]}" with the agent "${request.agent}"`,
    );
  }
}

export function isUuid(text: string): boolean {
  return uuid.test(text);
}

/** The canonical form of a caller's session id; its case is kept. */
export function checkSessionId(id: string): string {
  const found = uuid.exec(id);
  if (!found?.[1])
    throw new AgentdError(
      "invalid_session_id",
      `session_id must be a valid UUID, found ${JSON.stringify(id.slice(0, 80))}`,
    );
  const hex = found[1].replaceAll("-", "");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Private when a key comes with the request or from the configuration: then nobody's login is needed. */
export function agentHomeOf(request: SessionRequest, config: Config): AgentHome {
  if (request.agent_home) return request.agent_home;
  const settings = config.agents[request.agent];
  const hasKey =
    keyVariables.some((key) => request.env?.[key] !== undefined || settings?.env[key] !== undefined) ||
    (settings?.key_env !== undefined && config.environment[settings.key_env] !== undefined);
  return hasKey ? "private" : "user";
}

export function specOf(
  request: SessionRequest,
  found: {
    id: string;
    agent: string;
    runtime: string;
    workDir: string;
    isScratch: boolean;
    agentHome: AgentHome;
    homeOf: string;
    resumeAgentSession: string | undefined;
    createdAt: number;
  },
): SessionSpec {
  const maxTurns = request.max_turns ?? request.claude?.max_turns;
  return {
    session_id: found.id,
    tags: request.tags ?? {},
    agent: found.agent,
    runtime: found.runtime,
    interactive: request.interactive ?? false,
    work_dir: found.workDir,
    work_dir_is_scratch: found.isScratch,
    agent_home: found.agentHome,
    home_of: found.homeOf,
    trust_workspace: request.trust_workspace ?? false,
    keep_raw: request.keep_raw ?? false,
    created_at: found.createdAt,
    ...defined({
      task_id: request.task_id,
      name: request.name,
      resume_agent_session: found.resumeAgentSession,
      model: request.model,
      effort: request.effort,
      max_turns: maxTurns,
      allowed_tools: request.claude?.allowed_tools,
      bare: request.claude?.bare,
      auto_discover: request.auto_discover,
      timeout_ms: request.timeout,
      turn_timeout_ms: request.turn_timeout,
    }),
  };
}
