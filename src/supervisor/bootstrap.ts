/** A spec → what its sidecar is told. Pure but for the search for the agent's program. */
import { randomBytes } from "node:crypto";
import type { AgentSettings, Config } from "../config.ts";
import type { Bootstrap } from "../protocol/bootstrap.ts";
import { memoryTarget } from "../protocol/container.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError } from "../protocol/error.ts";
import { doorName, type HostDoor } from "../protocol/host-service.ts";
import { linkProtocol } from "../protocol/link-frame.ts";
import type { SessionSpec } from "../protocol/session.ts";
import type { Place } from "../runtime/runtime.ts";
import { traceparentOf } from "../session/trace-context.ts";
import { adviceOf } from "./agent-advice.ts";
import { agentEnv } from "./agent-env.ts";
import type { AgentOptions } from "./agent-options.ts";
import { hooksOf } from "./hooks.ts";
import type { HiddenDoor } from "./keepers.ts";
import { redactionOf } from "./redaction.ts";

export interface BootstrapOptions {
  spec: SessionSpec;
  /** The request's `env`, checked. */
  requestEnv: Readonly<Record<string, string>>;
  /** Names of it that the request calls secret. */
  secretEnv: readonly string[];
  /** What of the request is not in the spec, because it may hold secrets. */
  options: Pick<AgentOptions, "mcpServers" | "nativeSettings">;
  config: Config;
  /** Where things are for the sidecar and its agent. */
  place: Place;
  /** The way to the model when the agent is not to know its key, from the sidecar's token. */
  doorOf(sidecarToken: string): HiddenDoor | undefined;
}

export function bootstrapOf(given: BootstrapOptions): Bootstrap {
  const { spec, requestEnv, options, config, place, doorOf } = given;
  const settings = config.agents[spec.agent];
  if (!settings) throw new AgentdError("unknown_agent", `unknown agent: ${spec.agent}`);
  const { harness, command, args } = settings;
  const token = randomBytes(32).toString("base64url");
  const hidden = doorOf(token);
  const env = agentEnv({
    harness,
    place: place.environment,
    daemon: config.environment,
    settings: hidden ? { ...settings, key_env: hidden.keyVariable } : settings,
    request: requestEnv,
    privateHome: place.privateHome,
    temporaryDir: place.temporaryDir,
    standIn: hidden?.standIn,
    traceparent: traceparentFor(spec, config),
  });
  const words = [place.programOf({ name: spec.agent, command }), ...args];
  return {
    protocol: linkProtocol,
    session_id: spec.session_id,
    session_dir: place.sessionDir,
    socket_path: place.socketPath,
    token,
    agent: { name: spec.agent, harness, command: spec.container?.has_pty ? withTerminal(words) : words, env },
    work_dir: place.workDir,
    interactive: spec.interactive,
    keep_raw: spec.keep_raw,
    config: defined({
      model: spec.model,
      resume_session: spec.resume_agent_session,
      max_turns: spec.max_turns,
      allowed_tools: spec.allowed_tools,
      effort: spec.effort,
      bare: spec.bare,
      instructions: spec.instructions,
      agent_name: spec.agent_name,
      output_schema: spec.output_schema,
      max_budget_usd: spec.max_budget_usd,
      mcp_servers: options.mcpServers.length > 0 ? options.mcpServers : undefined,
      native_settings: options.nativeSettings,
      acp_mode: spec.acp_mode,
      acp_options: spec.acp_options,
      permission_mode: spec.permission_mode,
      input_timeout: spec.input_timeout_ms === undefined ? undefined : spec.input_timeout_ms / 1000,
      fork_session: spec.is_fork,
      trust_workspace: spec.trust_workspace,
      auto_discover: spec.auto_discover,
      stall_warning_timeout: secondsOf(config.limits.stall_warning),
      stall_kill_timeout: secondsOf(config.limits.stall_kill),
    }),
    limits: {
      lineBytesMax: config.limits.line_bytes,
      blobBytesMax: config.limits.blob_bytes,
      spoolBytesMax: config.limits.spool_bytes,
      ...defined({ resources: spec.resources }),
    },
    ...defined({
      sandbox: place.sandbox,
      advice: adviceFor(spec, place, { settings, config }),
      redact: redactionOf({
        env,
        marked: given.secretEnv,
        mcpServers: options.mcpServers,
        isContained: spec.container !== undefined,
        settings,
        config,
      }),
      host_doors: hostDoorsFor(spec, place),
      login_file: loginFor(settings, place, env),
      memory_dir: memoryFor(spec, place, env),
      task_id: spec.task_id,
      model_door: hidden?.door,
      hooks: hooksOf(config, spec.agent),
    }),
  };
}

function adviceFor(
  { agent, container }: SessionSpec,
  { privateHome }: Place,
  { settings, config }: { settings: AgentSettings; config: Config },
): Bootstrap["advice"] {
  const advised = { name: agent, settings, environment: config.environment };
  return adviceOf(advised, { hasOwnHome: privateHome !== undefined, isContained: container !== undefined });
}

/** Claude Code 2.1.329 keeps what it knows of a project by the path of its work dir. */
function memoryFor(
  { container }: SessionSpec,
  { workDir }: Place,
  env: Readonly<Record<string, string>>,
): Bootstrap["memory_dir"] {
  if (!container?.mounts.some(({ target }) => target === memoryTarget)) return undefined;
  const project = workDir.replace(/[^A-Za-z0-9]/g, "-");
  return { path: memoryTarget, link: `${env["CLAUDE_CONFIG_DIR"]}/projects/${project}/memory` };
}

/** `script` gives the command a terminal of its own; lines end as without one, and nothing typed is repeated. */
function withTerminal(command: string[]): string[] {
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  return ["script", "--echo", "never", "-qefc", `stty -onlcr; exec ${quoted}`, "/dev/null"];
}

/** Where the agent looks for its login: see agent-env.ts for the folders. */
function loginFor(
  { login, login_service, hide_key, harness }: AgentSettings,
  { loginFile }: Place,
  env: Readonly<Record<string, string>>,
): Bootstrap["login_file"] {
  if (login === undefined || hide_key || !loginFile) return undefined;
  if (harness === "opencode")
    return { path: loginFile.seenAs, link: `${env["XDG_DATA_HOME"]}/opencode/auth.json`, service: login_service };
  const link =
    harness === "claude" ? `${env["CLAUDE_CONFIG_DIR"]}/.credentials.json` : `${env["CODEX_HOME"]}/auth.json`;
  return { path: loginFile.seenAs, link };
}

function hostDoorsFor({ egress }: SessionSpec, { hostDoors }: Place): HostDoor[] | undefined {
  if (!hostDoors) return undefined;
  return egress?.host_services?.map(({ port }, index) => ({
    port,
    socket_path: `${hostDoors.seenAs}/${doorName(index)}`,
  }));
}

/** Spans of the agent belong below the session's when that is told to a collector, else beside it. */
function traceparentFor({ session_id, traceparent }: SessionSpec, { otlpTracesUrl }: Config): string | undefined {
  return otlpTracesUrl === undefined ? traceparent : traceparentOf({ id: session_id, traceparent });
}

/** The sidecar's form: seconds, negative for off. */
function secondsOf(limit: "off" | number): number {
  return limit === "off" ? -1 : limit / 1000;
}
