/**
 * What Claude Code prints, as far as we read it (2.1.329 and 2.1.197 were seen). Tolerant: unknown members are kept,
 * unknown types come out as `unknown`, and a known type with members of the wrong kind is `unknown` too.
 */
import * as z from "zod";
import { agentId, isAgentId, optionalId } from "../agent-id.ts";

const optionalText = z.string().nullish().catch(undefined);
const optionalNumber = z.number().nullish().catch(undefined);
const uuids = z.array(agentId).nullish().catch(undefined);
const count = z.number().catch(0).default(0);

export const RawUsage = z.looseObject({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
});
export type RawUsage = z.infer<typeof RawUsage>;
const optionalUsage = RawUsage.nullish().catch(undefined);

const Block = z
  .looseObject({ type: z.string() })
  .refine(({ id }) => typeof id !== "string" || isAgentId(id), "its id is too long");
export type Block = z.infer<typeof Block>;

export const ToolResultBlock = z.looseObject({
  type: z.literal("tool_result"),
  tool_use_id: agentId,
  content: z.unknown().optional(),
  is_error: z.boolean().nullish().catch(undefined),
});

const content = z.union([z.string(), z.array(Block)]);

const Assistant = z.looseObject({
  type: z.literal("assistant"),
  message: z.looseObject({ id: agentId, model: optionalText, content: z.array(Block), usage: optionalUsage }),
  parent_tool_use_id: optionalId,
  error: optionalText,
});
export type AssistantLine = z.infer<typeof Assistant>;

const User = z.looseObject({
  type: z.literal("user"),
  message: z.looseObject({ content }),
  parent_tool_use_id: optionalId,
  isReplay: z.boolean().nullish().catch(undefined),
  uuid: optionalId,
});
export type UserLine = z.infer<typeof User>;

/** Counts are the turn's, `total_cost_usd` is the process's so far. */
export const Result = z.looseObject({
  type: z.literal("result"),
  subtype: z.string(),
  is_error: z.boolean().catch(false).default(false),
  result: optionalText,
  structured_output: z.unknown().optional(),
  errors: z.array(z.string()).nullish().catch(undefined),
  terminal_reason: optionalText,
  api_error_status: optionalNumber,
  session_id: optionalId,
  num_turns: count,
  duration_ms: count,
  total_cost_usd: optionalNumber,
  cost_usd: optionalNumber,
  usage: optionalUsage,
  model_usage_since_last_result: z
    .record(z.string(), z.looseObject({ costUSD: optionalNumber }))
    .nullish()
    .catch(undefined),
  user_message_uuids: uuids,
  origin: z.looseObject({ kind: z.string() }).nullish().catch(undefined),
});
export type Result = z.infer<typeof Result>;

const Init = z.looseObject({
  type: z.literal("system"),
  subtype: z.literal("init"),
  session_id: agentId,
  model: optionalText,
  cwd: optionalText,
  tools: z.array(z.string()).catch([]).default([]),
  mcp_servers: z
    .array(z.looseObject({ name: z.string(), status: optionalText }))
    .catch([])
    .default([]),
  agents: z.array(z.string()).catch([]).default([]),
  permissionMode: optionalText,
  claude_code_version: optionalText,
  user_message_uuids: uuids,
});
export type Init = z.infer<typeof Init>;

const ApiRetry = z.looseObject({
  type: z.literal("system"),
  subtype: z.literal("api_retry"),
  attempt: count,
  max_retries: count,
  retry_delay_ms: count,
  error_status: optionalNumber,
  error: optionalText,
});
export type ApiRetry = z.infer<typeof ApiRetry>;

const BackgroundTasks = z.looseObject({
  type: z.literal("system"),
  subtype: z.literal("background_tasks_changed"),
  tasks: z.array(z.looseObject({ task_type: optionalText })),
});

const SessionState = z.looseObject({
  type: z.literal("system"),
  subtype: z.literal("session_state_changed"),
  state: z.string(),
});

const OtherSystem = z.looseObject({ type: z.literal("system"), subtype: z.string() });
export type OtherSystem = z.infer<typeof OtherSystem>;

const CommandLifecycle = z.looseObject({
  type: z.literal("command_lifecycle"),
  command_uuid: agentId,
  state: z.string(),
});
export type CommandLifecycle = z.infer<typeof CommandLifecycle>;

const ControlRequest = z.looseObject({
  type: z.literal("control_request"),
  request_id: agentId,
  request: z.looseObject({ subtype: z.string(), tool_use_id: optionalId }),
});
export type ControlRequest = z.infer<typeof ControlRequest>;

export const CanUseTool = z.looseObject({
  subtype: z.literal("can_use_tool"),
  tool_name: z.string(),
  input: z.record(z.string(), z.unknown()).catch({}).default({}),
  tool_use_id: optionalId,
  description: optionalText,
  decision_reason: optionalText,
  blocked_path: optionalText,
});
export type CanUseTool = z.infer<typeof CanUseTool>;

const ControlCancel = z.looseObject({ type: z.literal("control_cancel_request"), request_id: agentId });

const ControlResponse = z.looseObject({
  type: z.literal("control_response"),
  response: z.looseObject({
    subtype: z.string(),
    request_id: optionalId,
    error: optionalText,
    /** To `initialize`: who may be chosen to begin with. */
    response: z
      .looseObject({
        agents: z
          .array(z.looseObject({ name: z.string() }))
          .optional()
          .catch(undefined),
      })
      .nullish()
      .catch(undefined),
  }),
});

/** Deltas have a faster way, see stream.ts; these are the ones that frame them. */
export const StreamEvent = z.looseObject({
  type: z.literal("stream_event"),
  parent_tool_use_id: optionalId,
  event: z.looseObject({
    type: z.string(),
    index: optionalNumber,
    message: z.looseObject({ id: agentId, usage: optionalUsage }).nullish().catch(undefined),
    content_block: Block.nullish().catch(undefined),
    usage: z.looseObject({ output_tokens: optionalNumber, input_tokens: optionalNumber }).nullish().catch(undefined),
  }),
});
export type StreamEvent = z.infer<typeof StreamEvent>;

const Silent = z.looseObject({
  type: z.enum(["keep_alive", "conversation_reset"]),
});

export type Raw =
  | { kind: "assistant"; line: AssistantLine }
  | { kind: "user"; line: UserLine }
  | { kind: "result"; line: Result }
  | { kind: "init"; line: Init }
  | { kind: "api_retry"; line: ApiRetry }
  | { kind: "background_tasks"; line: z.infer<typeof BackgroundTasks> }
  | { kind: "session_state"; line: z.infer<typeof SessionState> }
  | { kind: "system"; line: OtherSystem }
  | { kind: "command_lifecycle"; line: CommandLifecycle }
  | { kind: "control_request"; line: ControlRequest }
  | { kind: "control_cancel"; line: z.infer<typeof ControlCancel> }
  | { kind: "control_response"; line: z.infer<typeof ControlResponse> }
  | { kind: "stream"; line: StreamEvent }
  | { kind: "silent" }
  | { kind: "unknown" };

function read<K extends string, T>(
  kind: K,
  schema: z.ZodType<T>,
  value: unknown,
): { kind: K; line: T } | { kind: "unknown" } {
  const parsed = schema.safeParse(value);
  return parsed.success ? { kind, line: parsed.data } : { kind: "unknown" };
}

const Discriminator = z.object({ type: z.string(), subtype: z.string().optional().catch(undefined) });

/** One parsed line by its type. Never throws. */
export function readRaw(value: unknown): Raw {
  const found = Discriminator.safeParse(value);
  if (!found.success) return { kind: "unknown" };
  switch (found.data.type) {
    case "assistant":
      return read("assistant", Assistant, value);
    case "user":
      return read("user", User, value);
    case "result":
      return read("result", Result, value);
    case "stream_event":
      return read("stream", StreamEvent, value);
    case "system":
      return readSystem(found.data.subtype, value);
    case "command_lifecycle":
      return read("command_lifecycle", CommandLifecycle, value);
    case "control_request":
      return read("control_request", ControlRequest, value);
    case "control_cancel_request":
      return read("control_cancel", ControlCancel, value);
    case "control_response":
      return read("control_response", ControlResponse, value);
    default:
      return Silent.safeParse(value).success ? { kind: "silent" } : { kind: "unknown" };
  }
}

function readSystem(subtype: string | undefined, value: unknown): Raw {
  switch (subtype) {
    case "init":
      return read("init", Init, value);
    case "api_retry":
      return read("api_retry", ApiRetry, value);
    case "background_tasks_changed":
      return read("background_tasks", BackgroundTasks, value);
    case "session_state_changed":
      return read("session_state", SessionState, value);
    default:
      return read("system", OtherSystem, value);
  }
}
