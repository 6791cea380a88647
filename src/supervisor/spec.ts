/** A request, checked against what the runtime and the agent can honour, made into a spec. Nothing is created here. */
import type { Config } from "../config.ts";
import type { ContainerSpec } from "../protocol/container.ts";
import { defined } from "../protocol/defined.ts";
import type { EgressPolicy } from "../protocol/egress.ts";
import { AgentdError } from "../protocol/error.ts";
import type { SessionRequest } from "../protocol/http.ts";
import type { ResourceLimits } from "../protocol/resources.ts";
import type { AgentHome, SessionSpec } from "../protocol/session.ts";
import { keyVariables } from "./agent-env.ts";
import type { AgentOptions } from "./agent-options.ts";

const uuid = /^(?:urn:uuid:)?\{?([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})\}?$/i;

/** Refuses what does not name a configured agent and a runtime that is enabled here. */
export function checkNames(request: SessionRequest, config: Config): { agent: string; runtime: "local" | "docker" } {
  if (request.interactive !== true && (request.prompt ?? "").trim() === "") {
    throw new AgentdError("invalid_request", "prompt is required, unless the session is interactive");
  }
  if ((request.images ?? []).length > 0 && (request.prompt ?? "").trim() === "")
    throw new AgentdError("invalid_request", "Cannot take images without a prompt: they go with its text. Send both");
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
export function agentHomeOf(request: SessionRequest, config: Config, runtime: string): AgentHome {
  // No container sees the person's home.
  if (runtime === "docker") return "private";
  if (request.agent_home) return request.agent_home;
  const settings = config.agents[request.agent];
  const hasKey =
    keyVariables.some((key) => request.env?.[key] !== undefined || settings?.env[key] !== undefined) ||
    (settings?.key_env !== undefined && config.environment[settings.key_env] !== undefined);
  return hasKey ? "private" : "user";
}

/** Without people at hand a forgotten question must not hold a process for ever. */
const oneShotInputTimeoutMs = 600_000;

/** How long a question waits: as the request says, else the configuration, else for ever where people are at hand. */
export function inputTimeoutOf(request: SessionRequest, config: Config): number | undefined {
  const asked = request.input_timeout ?? config.limits.input_timeout;
  if (asked === undefined) return request.interactive ? undefined : oneShotInputTimeoutMs;
  return asked === "none" ? undefined : asked;
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
    inputTimeoutMs: number | undefined;
    container: ContainerSpec | undefined;
    egress: EgressPolicy | undefined;
    options: AgentOptions;
    traceparent: string | undefined;
    request: string | undefined;
    createdBy: string | undefined;
    resources: ResourceLimits | undefined;
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
    permission_mode: request.permission_mode ?? "autonomous",
    trust_workspace: request.trust_workspace ?? false,
    keep_raw: request.keep_raw ?? false,
    created_at: found.createdAt,
    ...defined({
      task_id: request.task_id,
      container: found.container,
      egress: found.egress,
      name: request.name,
      resume_agent_session: found.resumeAgentSession,
      model: request.model,
      effort: request.effort,
      max_turns: maxTurns,
      allowed_tools: request.claude?.allowed_tools,
      bare: request.claude?.bare,
      instructions: found.options.instructions,
      agent_name: request.agent_name,
      output_schema: request.output_schema,
      max_budget_usd: request.max_budget_usd,
      acp_mode: request.acp?.mode,
      acp_options: request.acp?.options,
      executables: found.options.executables.length > 0 ? found.options.executables : undefined,
      auto_discover: request.auto_discover,
      is_fork: request.fork === true ? true : undefined,
      input_timeout_ms: found.inputTimeoutMs,
      timeout_ms: request.timeout,
      turn_timeout_ms: request.turn_timeout,
      traceparent: found.traceparent,
      request: found.request,
      created_by: found.createdBy,
      resources: found.resources,
    }),
  };
}
