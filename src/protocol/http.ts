/** Bodies of the HTTP routes. Requests are strict: an unknown key is refused, so that a misspelt one is not ignored. */
import * as z from "zod";
import { Image } from "./agent-options.ts";
import { HarnessName } from "./bootstrap.ts";
import { Capability, CapabilityName } from "./capabilities.ts";
import { acceptBothSpellings, ContextItem, InputAnswer, MentionItem } from "./command.ts";
import { ContainerRequest } from "./container.ts";
import { Duration, DurationOrNone } from "./duration.ts";
import { Denial, EgressMode, HostPatterns } from "./egress.ts";
import { InputRequired } from "./event.ts";
import { hostServiceName, hostServicesMax } from "./host-service.ts";
import { ResourceLimits, Resources } from "./resources.ts";
import { AgentHome, EndReason, PermissionMode, QueuedPrompt, SessionActivity, SessionStatus } from "./session.ts";
import { cutCharacter, hasLoneSurrogate } from "./text.ts";

/** What becomes a word of an agent's command line: it must not be taken for a flag, nor end the line. */
const argument = (what: string) =>
  z
    .string()
    .refine(
      (text) => text !== "" && !text.startsWith("-") && !/[\0\r\n]/.test(text),
      `${what} must not be empty, begin with "-" or contain a line break or NUL; leave it out for the agent's own choice`,
    );

const Mount = z.strictObject({
  host: z.string(),
  container: z.string(),
  mode: z.enum(["rw", "ro"]).optional(),
  type: z.enum(["bind", "volume"]).optional(),
});

const McpServer = z.strictObject({
  name: z.string(),
  type: z.enum(["http", "stdio", "websocket"]).optional(),
  url: z.string().optional(),
  cmd: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()).optional(),
  token: z.string().optional(),
});

/** A file of instructions is some kilobytes; what is larger is no instruction. */
const instructionBytesMax = 256 * 1024;

const Instructions = z
  .string()
  .refine((text) => !text.includes("\0"), "instructions must not contain a NUL character")
  .refine((text) => !hasLoneSurrogate(text), cutCharacter)
  .refine(
    (text) => Buffer.byteLength(text) <= instructionBytesMax,
    `instructions must be at most ${instructionBytesMax} bytes`,
  );

const ClaudeOptions = z.strictObject({
  settings_json: z.record(z.string(), z.unknown()).optional(),
  claude_md: Instructions.optional(),
  mcp_json: z.record(z.string(), z.unknown()).optional(),
  credentials_path: z.string().optional(),
  memory_path: z.string().optional(),
  max_turns: z.number().int().positive().optional(),
  allowed_tools: z.array(argument("an allowed tool")).optional(),
  output_format: z.string().optional(),
  bare: z.boolean().optional(),
});

const OpencodeOptions = z.strictObject({ config: z.record(z.string(), z.unknown()).optional() });

const AcpOptions = z.strictObject({
  mode: z.string().min(1).max(256).optional(),
  options: z.record(z.string().max(256), z.string().max(4096)).optional(),
});

const CodexOptions = z.strictObject({
  config_toml: z.record(z.string(), z.unknown()).optional(),
  instructions: Instructions.optional(),
  approval_mode: z.enum(["full-auto", "auto-edit", "suggest"]).optional(),
});

/** A key or a value that could not be stored in a file name, a header or an environment. */
const noNul = (what: string) =>
  z.string().refine((text) => !text.includes("\0"), `${what} must not contain a NUL character`);

export const SessionName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    "a name is 1 to 64 letters, digits, dots, dashes and underscores, and starts with a letter or a digit",
  )
  .refine((name) => name !== "history", "history is a route of its own and can be no name");

/** What cannot be UTF-8 would reach the agent as something else. */
const promptText = noNul("a prompt").refine((text) => !hasLoneSurrogate(text), cutCharacter);

export const PromptText = promptText.refine((text) => text.trim() !== "", "a prompt must not be empty");

const imagesMax = 20;
const imageBytesMax = 5 * 1024 * 1024;
/** All of a prompt are one message to the sidecar and one line to the agent, whose unread input is bounded (16 MiB of base64). */
const imagesBytesMax = 10 * 1024 * 1024;

const bytesOf = (image: Image) => Buffer.byteLength(image.data, "base64");

const Images = z
  .array(
    Image.refine((image) => image.data !== "" && bytesOf(image) <= imageBytesMax, "an image must have 1 byte to 5 MiB"),
  )
  .max(imagesMax)
  .refine(
    (images) => images.reduce((sum, image) => sum + bytesOf(image), 0) <= imagesBytesMax,
    "at most 10 MiB of images in one prompt",
  );

/** `POST /sessions`. */
export const SessionRequest = z.strictObject({
  session_id: z.string().optional(),
  task_id: z.string().max(256).optional(),
  name: SessionName.optional(),
  tags: z
    .record(z.string().max(256), z.string().max(4096))
    .refine((tags) => Object.keys(tags).length <= 64, "at most 64 tags")
    .optional(),
  agent: z.string({ error: "agent is required" }).min(1, "agent is required"),
  runtime: z.string().optional(),
  model: argument("a model").optional(),
  effort: argument("an effort").optional(),
  prompt: promptText.optional(),
  /** Pictures that go with `prompt`. */
  images: Images.optional(),
  max_turns: z.number().int().positive().optional(),
  /** Added to the agent's own instructions. */
  instructions: Instructions.optional(),
  /** One of the agent's custom agents, by its name there. */
  agent_name: argument("an agent_name").max(128).optional(),
  /** JSON Schema of what a turn's answer must be. */
  output_schema: z.record(z.string(), z.unknown()).optional(),
  /** No prompt is given to the agent once its turns have cost this much. */
  max_budget_usd: z.number().positive().optional(),
  /** Ends the session; stands still while a person is awaited. */
  timeout: Duration.optional(),
  /** Ends a turn. */
  turn_timeout: Duration.optional(),
  pty: z.boolean().optional(),
  interactive: z.boolean().optional(),
  resume_session: argument("resume_session").optional(),
  /** With resume_session: go on with a copy of the conversation, and leave the old one as it is. */
  fork: z.boolean().optional(),
  persist_session: z.boolean().optional(),
  agent_home: AgentHome.optional(),
  trust_workspace: z.boolean().optional(),
  permission_mode: PermissionMode.optional(),
  /** After this long a question that nobody answered is denied; `none` lets it wait. */
  input_timeout: DurationOrNone.optional(),
  keep_raw: z.boolean().optional(),
  work_dir: z.string().optional(),
  mounts: z.array(Mount).optional(),
  volumes: z.array(z.string()).optional(),
  lifecycle: z.record(z.string(), z.unknown()).optional(),
  claude: ClaudeOptions.optional(),
  codex: CodexOptions.optional(),
  opencode: OpencodeOptions.optional(),
  acp: AcpOptions.optional(),
  auto_discover: z.union([z.boolean(), z.record(z.string(), z.boolean())]).optional(),
  mcp_servers: z.array(McpServer).optional(),
  env: z.record(z.string(), noNul("an env value")).optional(),
  /** Names of `env` whose values are secret although neither they nor their names look so. */
  secret_env: z.array(z.string()).max(1000).optional(),
  /** What the agent and all it starts may use of the machine, within the operator's limits. */
  resources: Resources.optional(),
  container: ContainerRequest.optional(),
  /** Names that the session may reach besides those that the operator allows all. */
  egress: z
    .strictObject({
      allow: HostPatterns.optional(),
      host_services: z.array(hostServiceName).max(hostServicesMax).optional(),
    })
    .optional(),
  team: z.record(z.string(), z.unknown()).optional(),
});
export type SessionRequest = z.infer<typeof SessionRequest>;

/** `201` of `POST /sessions`. */
export const SessionCreated = z.object({
  session_id: z.string(),
  task_id: z.string().optional(),
  name: z.string().optional(),
  agent: z.string(),
  runtime: z.string(),
  status: SessionStatus,
  /** The turn of the request's prompt, when it had one. */
  turn_id: z.string().optional(),
  ws_url: z.string(),
  log_url: z.string(),
});
export type SessionCreated = z.infer<typeof SessionCreated>;

/**
 * One session as every route shows it. Older clients look for either of two spellings
 * (`session_id`/`id`, `agent`/`agent_name`, `runtime`/`runtime_name`, `status`/`state`): both are sent.
 */
export const SessionView = z.object({
  session_id: z.string(),
  id: z.string(),
  task_id: z.string().optional(),
  name: z.string().optional(),
  agent: z.string(),
  agent_name: z.string(),
  runtime: z.string(),
  runtime_name: z.string(),
  status: SessionStatus,
  state: SessionStatus,
  activity: SessionActivity.optional(),
  end_reason: EndReason.optional(),
  interactive: z.boolean(),
  exit_code: z.number().optional(),
  created_at: z.string(),
  ended_at: z.string().optional(),
  last_activity: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  work_dir: z.string(),
  agent_home: AgentHome,
  session_dir: z.string(),
  log_file: z.string(),
  log_bytes: z.number(),
  last_seq: z.number(),
  model: z.string().optional(),
  agent_session_id: z.string().optional(),
  turn_id: z.string().optional(),
  // An older daemon sends neither.
  permission_mode: PermissionMode.default("autonomous"),
  /** Questions that wait for a person, oldest first. */
  inputs: z.array(InputRequired).default([]),
  queue: z.array(QueuedPrompt),
  input_tokens: z.number().optional(),
  output_tokens: z.number().optional(),
  cost_usd: z.number().optional(),
  tool_call_count: z.number().optional(),
  turn_count: z.number(),
  /** Why the daemon could not read the session when it started; what else is said of it may be old. */
  unreadable: z.string().optional(),
  /** As the request that created it said. */
  traceparent: z.string().optional(),
  /** What it may use of the machine; absent where there is no limit. */
  resources: ResourceLimits.optional(),
});
export type SessionView = z.infer<typeof SessionView>;

/** `GET /sessions/:id/info`: the view and where to find its streams. */
export const SessionInfo = SessionView.extend({
  ws_url: z.string(),
  log_url: z.string(),
  /** `42s`, `3m5s`, `1h0m9s`: until now or until it ended. */
  uptime: z.string(),
});
export type SessionInfo = z.infer<typeof SessionInfo>;

/** One of `GET /egress`: what a session asked the proxy for in vain, or was let through in audit. */
export const EgressEntry = Denial.extend({
  session_id: z.string(),
  /** How often the same came since it was last told. */
  repeated: z.number().optional(),
});
export type EgressEntry = z.infer<typeof EgressEntry>;

/** What of `egress` says something else than before. Names, addresses without a password, paths. */
export const EgressSettingChange = z.object({
  setting: z.enum(["mode", "allow", "permit", "host_services", "upstream_proxy", "ca_certificates"]),
  added: z.array(z.string()),
  removed: z.array(z.string()),
});
export type EgressSettingChange = z.infer<typeof EgressSettingChange>;

/** `POST /egress/reload`: what holds from now on. */
export const EgressInForce = z.object({
  mode: EgressMode,
  allow: z.array(z.string()),
  permit: z.array(z.string()),
  host_services: z.array(z.string()),
  /** Without its user and password. */
  upstream_proxy: z.string().nullable(),
  ca_certificates: z.array(z.string()),
  /** Sessions in containers for which it holds already. */
  sessions: z.array(z.string()),
  /** Empty when the file says what it said. */
  changes: z.array(EgressSettingChange).default([]),
  /** Those of the sessions that may reach something else than before. */
  changed_sessions: z.array(z.string()).default([]),
});
export type EgressInForce = z.infer<typeof EgressInForce>;

/** `GET /sessions/history`: one entry a log file, the Go daemon's included. */
export const HistoryEntry = z.object({
  session_id: z.string(),
  agent: z.string().optional(),
  status: z.string().optional(),
  exit_code: z.number().optional(),
  created_at: z.string().optional(),
  ended_at: z.string().optional(),
  log_file: z.string(),
  input_tokens: z.number().optional(),
  output_tokens: z.number().optional(),
  cost_usd: z.number().optional(),
  tool_calls: z.number().optional(),
  file_size: z.number(),
});
export type HistoryEntry = z.infer<typeof HistoryEntry>;

export const PromptRequest = z.strictObject({ text: PromptText, images: Images.optional() });
export const SteerRequest = z.strictObject({ text: PromptText });
export const ContextRequest = z.preprocess(
  acceptBothSpellings,
  ContextItem.refine(
    (item) => item.text !== undefined || item.filePath !== undefined,
    "context needs text, file_path or both",
  ),
);
export const MentionRequest = z.preprocess(acceptBothSpellings, MentionItem);
/** `PUT /sessions/:id/inputs/:request_id`. */
export const InputAnswerRequest = z.strictObject(InputAnswer.shape);

/** Its answer; the same when the same answer is given again. */
export const InputAnswered = z.object({
  session_id: z.string(),
  request_id: z.string(),
  decision: InputAnswer.shape.decision,
});
export type InputAnswered = z.infer<typeof InputAnswered>;

/** `PATCH /sessions/:id`: what may be changed while a session runs. */
export const SessionChange = z
  .strictObject({ model: noNul("a model").min(1).optional(), permission_mode: PermissionMode.optional() })
  .refine(
    ({ model, permission_mode }) => model !== undefined || permission_mode !== undefined,
    "nothing to change: send model, permission_mode or both",
  );
export type SessionChange = z.infer<typeof SessionChange>;

export const StopRequest = z.strictObject({ mode: z.enum(["drain", "now"]).default("now") }).default({ mode: "now" });

/** `202` of prompt and steer. `position` is 0 for one that has gone to the agent, else its place in the queue. */
export const PromptAccepted = z.object({ session_id: z.string(), turn_id: z.string(), position: z.number() });
export type PromptAccepted = z.infer<typeof PromptAccepted>;

/** `POST /gc`. */
export const CollectRequest = z.strictObject({ dry_run: z.boolean().default(false) }).default({ dry_run: false });

/** Its answer: the policy, the sessions that are gone by it, what was left of others, and what could not be removed; or what would be. */
export const Collected = z.object({
  dry_run: z.boolean(),
  keep_sessions: z.number().nullable(),
  keep_days: z.number().nullable(),
  compress_days: z.number().nullable().default(null),
  sessions: z.array(
    z.object({
      session_id: z.string(),
      name: z.string().nullable().default(null),
      ended_at: z.string().nullable(),
      log_bytes: z.number(),
    }),
  ),
  /** Logs that were compressed, or would be; `stored_bytes` is what the log and the raw lines take now. */
  compressed: z
    .array(
      z.object({
        session_id: z.string(),
        name: z.string().nullable().default(null),
        log_bytes: z.number(),
        stored_bytes: z.number().optional(),
      }),
    )
    .default([]),
  /** Containers, networks and volumes that outlived their sessions, or a data dir that is gone (`data_dir`). */
  leftovers: z
    .array(
      z.object({
        kind: z.enum(["container", "network", "volume"]),
        name: z.string(),
        session_id: z.string().nullable(),
        data_dir: z.string().optional(),
        /** It is not removed: a session of that data dir still runs, or it holds what did not come back to this machine. */
        kept: z.literal(true).optional(),
        /** It is there still, or may be: `failed` of the whole says why. */
        failed: z.literal(true).optional(),
      }),
    )
    .default([]),
  /** What could not be done, though all the rest was: the code is one of an error's, the message says what to do. */
  failed: z.array(z.object({ session_id: z.string().nullable(), error: z.string(), message: z.string() })).default([]),
});
export type Collected = z.infer<typeof Collected>;

export const Health = z.object({
  status: z.literal("ok"),
  version: z.string(),
  default_runtime: z.string(),
  /** The same as `default_runtime`, where the Go client library looks for it. */
  runtime: z.string(),
  runtimes: z.array(z.string()),
  agents: z.array(z.string()),
  sessions: z.number(),
  /** Which limits of a session's resources can be held by this daemon. */
  limits: z.object({ memory: z.boolean(), cpus: z.boolean(), pids: z.boolean() }).optional(),
  /** Present while the disk is full: nothing is acknowledged until there is room. */
  storage: z.object({ paused: z.literal(true), message: z.string() }).optional(),
});
export type Health = z.infer<typeof Health>;

/** Why a daemon that lives takes no new work just now. */
export const NotReadyReason = z.enum(["disk_full", "shutting_down"]);
export type NotReadyReason = z.infer<typeof NotReadyReason>;

/** `GET /health/ready`: 200 when new work is taken, else 503. */
export const Readiness = z.object({ status: z.enum(["ready", "not_ready"]), reasons: z.array(NotReadyReason) });
export type Readiness = z.infer<typeof Readiness>;

/** An agent that a project folder defines, by the name to ask for in `agent_name`. */
export const CustomAgent = z.object({
  name: z.string(),
  description: z.string().optional(),
  /** Its file, within the folder. */
  source: z.string(),
});
export type CustomAgent = z.infer<typeof CustomAgent>;

/** One of `GET /agents`. */
export const AgentView = z.object({
  name: z.string(),
  harness: HarnessName,
  /** Null when there is none to be found. */
  program: z.string().nullable(),
  /** How it was found: as configured, as `agentd agents install` put it, in PATH, or in node_modules beside agentd. */
  program_source: z.enum(["configuration", "installed", "path", "beside"]).nullable(),
  is_found: z.boolean(),
  capabilities: z.record(CapabilityName, Capability),
  custom_agents: z.array(CustomAgent),
});
export type AgentView = z.infer<typeof AgentView>;
