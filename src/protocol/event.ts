/** What can happen in a session: one union for every agent. Facts in the past tense, never orders. */
import * as z from "zod";
import { StoredImage } from "./agent-options.ts";

/** Tokens of one message or one turn. */
export const Usage = z.object({
  input_tokens: z.number(),
  output_tokens: z.number(),
  cache_read_input_tokens: z.number(),
  cache_creation_input_tokens: z.number(),
});
export type Usage = z.infer<typeof Usage>;

/** Why something failed; each is explained in docs/errors.md. */
export const ErrorCategory = z.enum([
  "auth_error",
  "permission_denied",
  "model_not_found",
  "rate_limit",
  "quota",
  "context_exceeded",
  "upstream_api_error",
  "network",
  "invalid_request",
  "duplicate_session",
  "session_not_found",
  "startup_crash",
  "stall",
  "timeout",
  "oom",
  "stopped",
  "agent_crash",
  "sidecar_lost",
]);
export type ErrorCategory = z.infer<typeof ErrorCategory>;

/** Whether trying the same again can help; every category has an answer. */
export const isRetryable = {
  auth_error: false,
  permission_denied: false,
  model_not_found: false,
  rate_limit: true,
  quota: false,
  context_exceeded: false,
  upstream_api_error: true,
  network: true,
  invalid_request: false,
  duplicate_session: true,
  session_not_found: false,
  startup_crash: false,
  stall: true,
  timeout: true,
  oom: true,
  stopped: false,
  agent_crash: true,
  sidecar_lost: true,
} as const satisfies Record<ErrorCategory, boolean>;

/** How a turn ended. */
export const TurnStatus = z.enum(["success", "error", "interrupted", "limit", "aborted", "withdrawn"]);
export type TurnStatus = z.infer<typeof TurnStatus>;

/** What a tool does, so that a client can render any agent's tools. */
export const ToolKind = z.enum(["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "other"]);
export type ToolKind = z.infer<typeof ToolKind>;

/** Emitted when something that a person sent was accepted. `turn_id` is null while context waits for its turn. */
export const UserMessage = z.object({
  turn_id: z.string().nullable(),
  kind: z.enum(["prompt", "steer", "context", "mention"]),
  text: z.string(),
  by: z.string().optional(),
  images: z.array(StoredImage).optional(),
  /** A digest of its Idempotency-Key and address, by which it is told from another of the same text. */
  request: z.string().optional(),
});

/** Emitted for text of the agent: deltas, then one whole message; `superseded` closes deltas that were never confirmed. */
export const AgentMessage = z.object({
  turn_id: z.string(),
  item_id: z.string(),
  text: z.string(),
  delta: z.boolean(),
  model: z.string().optional(),
  usage: Usage.optional(),
  parent_id: z.string().optional(),
  superseded: z.literal(true).optional(),
});

/** Emitted when the agent has called a tool. `name` is the agent's own word; `parent_id` marks a subagent's call. */
export const ToolUse = z.object({
  turn_id: z.string(),
  id: z.string(),
  name: z.string(),
  kind: ToolKind,
  server: z.string().optional(),
  input: z.unknown(),
  parent_id: z.string().optional(),
});

/** Emitted when a tool call has ended. `synthetic` marks one that we made up because the agent never reported it. */
export const ToolResult = z.object({
  turn_id: z.string(),
  id: z.string(),
  name: z.string(),
  output: z.string(),
  is_error: z.boolean(),
  duration_ms: z.number(),
  parent_id: z.string().optional(),
  synthetic: z.literal(true).optional(),
});

/** Emitted once when a turn has ended. Figures are of this turn, not running totals. */
export const Result = z.object({
  turn_id: z.string(),
  session_id: z.string(),
  status: TurnStatus,
  text: z.string().optional(),
  cost_usd: z.number().nullable(),
  duration_ms: z.number(),
  num_turns: z.number(),
  usage: Usage,
  /** `agent` for a turn that the agent began by itself. */
  origin: z.literal("agent").optional(),
  model: z.string().optional(),
  /** The answer in the form of the session's `output_schema`, when the agent gave it so. */
  structured_output: z.unknown().optional(),
  /** Why it ended, for `limit` and `aborted`. */
  reason: z.string().optional(),
  error_category: ErrorCategory.optional(),
  /** As in `error`. */
  advice: z.string().optional(),
});

/** What an answer to an open question may be. */
export const Decision = z.enum(["approve_once", "approve_session", "deny"]);
export type Decision = z.infer<typeof Decision>;

/** Emitted when the agent asks a person: for permission to use a tool, a question of its own, or a plan to confirm. */
export const InputRequired = z.object({
  request_id: z.string(),
  turn_id: z.string(),
  kind: z.enum(["permission", "question", "plan"]),
  /** The tool that needs permission. */
  tool: z
    .object({
      id: z.string().optional(),
      name: z.string(),
      kind: ToolKind,
      server: z.string().optional(),
      input: z.unknown(),
    })
    .optional(),
  message: z.string(),
  /** What may be answered: for a permission and a plan the decisions that the agent knows, for a question its choices. */
  options: z.array(
    z.object({
      id: z.string(),
      label: z.string(),
      description: z.string().optional(),
      /** The question it belongs to, when several are asked at once. */
      question: z.string().optional(),
    }),
  ),
  /** The questions asked, when it is one: each may be answered by choices, by free text, or both. */
  questions: z
    .array(z.object({ id: z.string(), text: z.string(), multiple: z.boolean(), free_text: z.boolean() }))
    .optional(),
  /** Unix ms after which nobody's answer is the declared one. */
  expires_at: z.number().optional(),
  parent_id: z.string().optional(),
});
export type InputRequired = z.infer<typeof InputRequired>;

/** Emitted once for each `input_required`: who answered what, or why nobody will (`expired`, `withdrawn` by the agent, `aborted` with the turn). */
export const InputResolved = z.object({
  request_id: z.string(),
  decision: z.union([Decision, z.enum(["expired", "withdrawn", "aborted"])]),
  /** `client`, `timeout`, `agent`, `policy`, `agentd` when it closed what its turn left open; later the name of a token. */
  by: z.string(),
  message: z.string().optional(),
  /** The rest of the answer, as it was given. */
  answers: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
  updated_input: z.record(z.string(), z.unknown()).optional(),
});
export type InputResolved = z.infer<typeof InputResolved>;

/** Emitted while a turn is under way: reasoning, retry, tool_output, input_delivered, todo, task… */
export const Progress = z.looseObject({ turn_id: z.string().nullable(), kind: z.string() });

/** Emitted for facts about the session itself, and for agent output that has no other word. */
export const System = z.looseObject({ subtype: z.string() });

/** Emitted when something failed; the session may go on. */
export const ErrorEvent = z.looseObject({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  error_category: ErrorCategory.optional(),
  turn_id: z.string().optional(),
  /** What to do about it, where the operator's configuration says. */
  advice: z.string().optional(),
});

/** Emitted once, as the last event of every session. A death by signal has code 128 + signal number. */
export const Exit = z.object({
  code: z.number(),
  signal: z.string().optional(),
  error_detail: z.string().optional(),
  error_category: ErrorCategory.optional(),
  retryable: z.boolean().optional(),
});

/** Emitted by the generic harness for each line the command printed. */
export const OutputLine = z.object({ text: z.string() });

export const SessionEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("user_message"), data: UserMessage }),
  z.object({ type: z.literal("agent_message"), data: AgentMessage }),
  z.object({ type: z.literal("tool_use"), data: ToolUse }),
  z.object({ type: z.literal("tool_result"), data: ToolResult }),
  z.object({ type: z.literal("result"), data: Result }),
  z.object({ type: z.literal("input_required"), data: InputRequired }),
  z.object({ type: z.literal("input_resolved"), data: InputResolved }),
  z.object({ type: z.literal("progress"), data: Progress }),
  z.object({ type: z.literal("system"), data: System }),
  z.object({ type: z.literal("error"), data: ErrorEvent }),
  z.object({ type: z.literal("exit"), data: Exit }),
  z.object({ type: z.literal("stdout"), data: OutputLine }),
  z.object({ type: z.literal("stderr"), data: OutputLine }),
]);
export type SessionEvent = z.infer<typeof SessionEvent>;

export type EventType = SessionEvent["type"];
export type EventOf<T extends EventType> = Extract<SessionEvent, { type: T }>;

export const noUsage: Usage = Object.freeze({
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
});
