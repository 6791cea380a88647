/** What a request brings along for its agent, in the words of older clients or in ours, made into one form. Pure. */
import type { Config } from "../config.ts";
import type { McpServerSpec } from "../protocol/agent-options.ts";
import type { HarnessName } from "../protocol/bootstrap.ts";
import { AgentdError } from "../protocol/error.ts";
import type { SessionRequest } from "../protocol/http.ts";
import { mcpServersOf } from "./mcp-servers.ts";
import { inspectNativeSettings, type NativeSettings } from "./native-settings.ts";

export interface AgentOptions {
  instructions: string | undefined;
  /** May hold secrets: handed to the sidecar and never written into the session's record. */
  mcpServers: McpServerSpec[];
  /** The same. */
  nativeSettings: NativeSettings | undefined;
  /** What of it is run in the session, in words for people. */
  executables: string[];
}

/** Throws `invalid_request` for what contradicts itself or could send the operator's keys elsewhere. */
export function agentOptionsOf(request: SessionRequest, harness: HarnessName): AgentOptions {
  const nativeSettings = nativeSettingsOf(request, harness);
  const mcpServers = mcpServersOf(request);
  const found = inspectNativeSettings(harness, nativeSettings ?? {});
  const [redirect] = found.redirects;
  if (redirect !== undefined)
    throw new AgentdError(
      "invalid_request",
      `Cannot use "${redirect.slice(0, 200)}" in the agent's settings: it can change where keys are sent, which is the operator's to decide. Set it in the configuration, under agents.NAME`,
    );
  const stdio = mcpServers.filter(({ type }) => type === "stdio").map(({ name }) => `the MCP server "${name}"`);
  return {
    instructions: instructionsOf(request),
    mcpServers,
    nativeSettings,
    executables: [...stdio, ...found.executables.map((key) => `"${key.slice(0, 200)}" in the agent's settings`)],
  };
}

/**
 * Where a person decides on tools, what a request names would run past that person: the operator must allow it.
 * `executables` are words for people.
 */
export function checkExecutables(executables: readonly string[], config: Config): void {
  if (executables.length === 0 || config.allow_executables) return;
  throw new AgentdError(
    "executable_forbidden",
    `Cannot let the request name what runs unasked in a session whose permission_mode is "interactive": ${executables.slice(0, 5).join(", ")}. Leave it out, use permission_mode "autonomous", or set allow_executables in the daemon's configuration`,
  );
}

/** Older clients name them after the agent. */
function instructionsOf(request: SessionRequest): string | undefined {
  const given = [request.instructions, request.claude?.claude_md, request.codex?.instructions].filter(
    (text) => text !== undefined && text !== "",
  );
  if (new Set(given).size > 1)
    throw new AgentdError(
      "invalid_request",
      `Cannot use two different instructions: they are given under "instructions" and under an older name ("claude.claude_md", "codex.instructions"). Send one`,
    );
  return given[0];
}

function nativeSettingsOf(request: SessionRequest, harness: HarnessName): NativeSettings | undefined {
  switch (harness) {
    case "claude":
      return request.claude?.settings_json;
    case "codex":
      return request.codex?.config_toml;
    case "opencode":
      return request.opencode?.config;
    default:
      return undefined;
  }
}
