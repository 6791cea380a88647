/** The one message a sidecar starts with (a JSON line on stdin), and its one answer (a JSON line on stdout). */
import * as z from "zod";
import { McpServerSpec } from "./agent-options.ts";
import { HookPlan } from "./hooks.ts";
import { HostDoor } from "./host-service.ts";
import { ModelDoor } from "./model-door.ts";
import { ResourceLimits } from "./resources.ts";
import { SandboxPlan } from "./sandbox.ts";
import { PermissionMode } from "./session.ts";

/** What drives the agent: a harness of its own, or the plain line harness for any command. */
export const HarnessName = z.enum(["claude", "codex", "opencode", "acp", "generic"]);
export type HarnessName = z.infer<typeof HarnessName>;

/** What a session asks of its agent; also the environment variable AGENT_CONFIG of a sidecar started by hand. */
export const AgentConfig = z.object({
  model: z.string().optional(),
  /** The agent's own id of the conversation to go on with. */
  resume_session: z.string().optional(),
  env: z.record(z.string(), z.string()).optional(),
  max_turns: z.number().int().positive().optional(),
  allowed_tools: z.array(z.string()).optional(),
  effort: z.string().optional(),
  bare: z.boolean().optional(),
  permission_mode: PermissionMode.optional(),
  /** Go on with a copy of the conversation under a new id. */
  fork_session: z.boolean().optional(),
  /** Let the checkout's own settings, hooks and MCP servers act. */
  trust_workspace: z.boolean().optional(),
  /** Which of the checkout's instructions and agent definitions are read; absent means both. */
  auto_discover: z.union([z.boolean(), z.record(z.string(), z.boolean())]).optional(),
  /** Seconds; 0 is the default, negative is off. */
  stall_warning_timeout: z.number().optional(),
  stall_kill_timeout: z.number().optional(),
  /** Seconds after which a question that nobody answered is denied; without it, or with 0, it waits. */
  input_timeout: z.number().nonnegative().optional(),
  /** Added to the agent's own instructions. */
  instructions: z.string().optional(),
  /** One of the agent's custom agents, by its name there. */
  agent_name: z.string().optional(),
  /** JSON Schema of what a turn's answer must be. */
  output_schema: z.record(z.string(), z.unknown()).optional(),
  /** In addition to the daemon's own check between turns: for agents that can stop in the midst of one. */
  max_budget_usd: z.number().positive().optional(),
  mcp_servers: z.array(McpServerSpec).optional(),
  /** Settings in the agent's own form: Claude Code's settings.json, Codex's config.toml as JSON, OpenCode's opencode.json. */
  native_settings: z.record(z.string(), z.unknown()).optional(),
  /** ACP: the mode to set after the session began, by the agent's own id. */
  acp_mode: z.string().optional(),
  /** ACP: configuration options of the agent, by their ids. */
  acp_options: z.record(z.string(), z.string()).optional(),
  /** Accepted from older starters; nothing is killed after a result any more. */
  result_grace_period: z.number().optional(),
  /** Accepted from older starters for Codex. */
  approval_mode: z.string().optional(),
  team_name: z.string().optional(),
  team_agent_name: z.string().optional(),
  team_agent_id: z.string().optional(),
  /** Hooks of older starters, who give paths and seconds. */
  lifecycle: z
    .object({
      pre_init: z.string().optional(),
      post_init: z.string().optional(),
      sidecar: z.string().optional(),
      post_run: z.string().optional(),
      hook_timeout: z.number().nonnegative().optional(),
    })
    .optional(),
});
export type AgentConfig = z.infer<typeof AgentConfig>;

export const SidecarLimits = z.object({
  /** Longest agent line kept in memory, in bytes; longer ones go to a blob file. */
  lineBytesMax: z.number().int().positive(),
  /** Largest blob file, in bytes; what follows is cut. */
  blobBytesMax: z.number().int().positive(),
  /** Unacknowledged bytes kept on disk before the agent's pipe is no longer read. */
  spoolBytesMax: z.number().int().positive(),
  /** What the agent and all it starts may use together. */
  resources: ResourceLimits.optional(),
});
export type SidecarLimits = z.infer<typeof SidecarLimits>;

export const defaultSidecarLimits: SidecarLimits = {
  lineBytesMax: 8 * 1024 * 1024,
  blobBytesMax: 256 * 1024 * 1024,
  spoolBytesMax: 256 * 1024 * 1024,
};

const LinkedPlace = z.object({ path: z.string(), link: z.string() });

export const Bootstrap = z.object({
  protocol: z.number(),
  session_id: z.string(),
  /** The daemon's data dir, in the words of its runtime; absent where the session's processes are apart from all others. */
  data_dir_mark: z.string().optional(),
  task_id: z.string().optional(),
  /** The session's folder: spool, blobs and raw lines go here. */
  session_dir: z.string(),
  /** Unix socket to listen on (0600). */
  socket_path: z.string(),
  /** Whoever connects must know it: see link-proof.ts. It is never sent again. */
  token: z.string(),
  agent: z.object({
    name: z.string(),
    harness: HarnessName,
    /** argv[0] and whatever the operator put behind it. */
    command: z.array(z.string()).min(1),
    /** The whole environment of the agent, composed by the daemon. */
    env: z.record(z.string(), z.string()),
  }),
  work_dir: z.string(),
  /** Given when the agent is not to know the key of its model. */
  model_door: ModelDoor.optional(),
  /** Single services outside of its container that the agent may reach. */
  host_doors: z.array(HostDoor).optional(),
  /** The agent's login, as the daemon keeps it, and where the agent looks for it. */
  login_file: LinkedPlace.extend({ service: z.string().optional() }).optional(),
  /** The same for the agent's memory of the project. */
  memory_dir: LinkedPlace.optional(),
  config: AgentConfig,
  /** Programs of the operator's around the agent. */
  hooks: HookPlan.optional(),
  /** Around the agent's processes. */
  sandbox: SandboxPlan.optional(),
  /** What a person can do about a failure, by its category or code, as the operator's configuration has it. */
  advice: z.object({ auth_error: z.string().optional(), agent_not_found: z.string().optional() }).optional(),
  /** What is taken out of all that the session tells. */
  redact: z.object({ values: z.array(z.string()), patterns: z.array(z.string()) }).optional(),
  interactive: z.boolean(),
  keep_raw: z.boolean(),
  limits: SidecarLimits,
});
export type Bootstrap = z.infer<typeof Bootstrap>;

export const BootstrapAnswer = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), protocol: z.number(), pid: z.number().int(), address: z.string() }),
  z.object({ ok: z.literal(false), error: z.string() }),
]);
export type BootstrapAnswer = z.infer<typeof BootstrapAnswer>;

/** Environment variable that marks every process an agent starts, with the session's id as its value. */
export const sessionMarker = "AGENTRUNTIME_SESSION_ID";
/** … and one with the data dir of that session, since ids are chosen by callers and data dirs are copied. */
export const dataDirMarker = "AGENTRUNTIME_DATA_DIR_MARK";
