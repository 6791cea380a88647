/** What an ACP agent says, as far as we read it. Tolerant: members we do not need may be anything. */
import * as z from "zod";
import { ToolKind } from "../../src/protocol/event.ts";
import { agentId, optionalId } from "../agent-id.ts";

const Meta = z.looseObject({}).nullish().catch(undefined);
const text = z.string().nullish().catch(undefined);
const count = z.number().nullish().catch(undefined);

/** `switch_mode` and words of newer agents are `other` to us. */
const Kind = ToolKind.or(z.string().transform(() => "other" as const))
  .nullish()
  .catch(undefined);

const list = <T extends z.ZodType>(item: T) =>
  z
    .array(z.unknown())
    .nullish()
    .catch(undefined)
    .transform((items) =>
      items?.flatMap((value) => {
        const parsed = item.safeParse(value);
        return parsed.success ? [parsed.data] : [];
      }),
    );

export const RawUsage = z.looseObject({
  inputTokens: count,
  outputTokens: count,
  totalTokens: count,
  thoughtTokens: count,
  cachedReadTokens: count,
  cachedWriteTokens: count,
});
export type RawUsage = z.infer<typeof RawUsage>;

export const ToolUpdate = z.looseObject({
  toolCallId: agentId,
  title: text,
  kind: Kind,
  status: text,
  rawInput: z.unknown().optional(),
  rawOutput: z.unknown().optional(),
  content: list(z.looseObject({ type: z.string() })),
  locations: list(z.looseObject({ path: z.string() })),
  _meta: Meta,
});
export type ToolUpdate = z.infer<typeof ToolUpdate>;

const ChunkUpdate = z.looseObject({
  sessionUpdate: z.enum(["agent_message_chunk", "agent_thought_chunk"]),
  content: z.looseObject({ type: z.string(), text }),
  messageId: optionalId,
  _meta: Meta,
});
export type ChunkUpdate = z.infer<typeof ChunkUpdate>;

export const Update = z.discriminatedUnion("sessionUpdate", [
  ChunkUpdate,
  z.looseObject({ sessionUpdate: z.literal("user_message_chunk") }),
  ToolUpdate.extend({ sessionUpdate: z.enum(["tool_call", "tool_call_update"]) }),
  z.looseObject({ sessionUpdate: z.literal("plan"), entries: z.array(z.unknown()) }),
  z.looseObject({
    sessionUpdate: z.literal("usage_update"),
    used: count,
    size: count,
    cost: z.looseObject({ amount: z.number(), currency: text }).nullish().catch(undefined),
  }),
  z.looseObject({
    sessionUpdate: z.literal("available_commands_update"),
    availableCommands: list(z.looseObject({ name: z.string() })),
  }),
  z.looseObject({ sessionUpdate: z.literal("current_mode_update"), currentModeId: z.string() }),
  z.looseObject({ sessionUpdate: z.literal("config_option_update"), configOptions: z.array(z.unknown()) }),
  z.looseObject({ sessionUpdate: z.literal("session_info_update"), title: text, _meta: Meta }),
  z.looseObject({ sessionUpdate: z.literal("notice"), title: z.string(), description: text, severity: text }),
]);
export type Update = z.infer<typeof Update>;

const Id = z.union([agentId, z.number()]);
export type RequestId = z.infer<typeof Id>;

export const RpcError = z.looseObject({
  code: z.number().catch(0),
  message: z.string().catch("The agent answered with an error"),
  data: z.unknown().optional(),
});
export type RpcError = z.infer<typeof RpcError>;

export const PermissionAsk = z.looseObject({
  toolCall: ToolUpdate,
  options: list(z.looseObject({ optionId: z.string(), kind: z.string(), name: text })).transform(
    (found) => found ?? [],
  ),
});
export type PermissionAsk = z.infer<typeof PermissionAsk>;

const Message = z.looseObject({
  id: Id.nullish(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
});

const Notification = z.looseObject({ update: z.unknown().optional() });
const CancelRequest = z.looseObject({ requestId: Id });

export type Raw =
  | { kind: "update"; update: Update }
  | { kind: "permission"; id: RequestId; ask: PermissionAsk }
  | { kind: "request"; id: RequestId; method: string }
  | { kind: "withdrawn"; id: RequestId }
  | { kind: "answer"; id: RequestId; result: unknown }
  | { kind: "refusal"; id: RequestId; error: RpcError }
  | { kind: "unknown" };

export function readRaw(value: unknown): Raw {
  const parsed = Message.safeParse(value);
  if (!parsed.success) return { kind: "unknown" };
  const { id, method, params, result, error } = parsed.data;
  if (method === undefined) return id === undefined || id === null ? { kind: "unknown" } : answer(id, result, error);
  if (id !== undefined && id !== null) return request(id, method, params);
  if (method === "session/update") {
    const update = Update.safeParse(Notification.safeParse(params).data?.update);
    return update.success ? { kind: "update", update: update.data } : { kind: "unknown" };
  }
  const cancelled = method === "$/cancel_request" ? CancelRequest.safeParse(params).data : undefined;
  return cancelled ? { kind: "withdrawn", id: cancelled.requestId } : { kind: "unknown" };
}

function answer(id: RequestId, result: unknown, error: unknown): Raw {
  if (error === undefined || error === null) return { kind: "answer", id, result };
  return {
    kind: "refusal",
    id,
    error: RpcError.safeParse(error).data ?? { code: 0, message: String(error), data: null },
  };
}

function request(id: RequestId, method: string, params: unknown): Raw {
  if (method !== "session/request_permission") return { kind: "request", id, method };
  const ask = PermissionAsk.safeParse(params);
  return ask.success ? { kind: "permission", id, ask: ask.data } : { kind: "request", id, method };
}

/** What a prompt's answer says. A word that we do not know ends the turn like any other. */
export const PromptAnswer = z.looseObject({
  stopReason: z.string().catch("end_turn"),
  usage: RawUsage.nullish().catch(undefined),
});

const AuthMethod = z.looseObject({ id: z.string(), name: text, description: text, type: text, _meta: Meta });
export type AuthMethod = z.infer<typeof AuthMethod>;

export const InitializeAnswer = z.looseObject({
  protocolVersion: z.number(),
  agentInfo: z.looseObject({ name: text, version: text }).nullish().catch(undefined),
  agentCapabilities: z
    .looseObject({
      loadSession: z.boolean().nullish().catch(undefined),
      promptCapabilities: z
        .looseObject({ image: z.boolean().nullish().catch(undefined) })
        .nullish()
        .catch(undefined),
      mcpCapabilities: z
        .looseObject({ http: z.boolean().nullish().catch(undefined) })
        .nullish()
        .catch(undefined),
      sessionCapabilities: z
        .looseObject({ resume: z.unknown().optional(), fork: z.unknown().optional() })
        .nullish()
        .catch(undefined),
    })
    .nullish()
    .catch(undefined),
  authMethods: list(AuthMethod),
});
export type InitializeAnswer = z.infer<typeof InitializeAnswer>;

export const ConfigOption = z.looseObject({
  id: z.string(),
  category: text,
  type: text,
  currentValue: z.unknown().optional(),
  /** The choices, or groups of them. */
  options: list(z.looseObject({ value: text, options: list(z.looseObject({ value: text })) })),
});
export type ConfigOption = z.infer<typeof ConfigOption>;

/** `models` is the older way of offering a choice of models. */
export const OpenAnswer = z.looseObject({
  sessionId: optionalId,
  configOptions: list(ConfigOption),
  models: z.looseObject({ currentModelId: text }).nullish().catch(undefined),
  modes: z
    .looseObject({ currentModeId: text, availableModes: list(z.looseObject({ id: z.string() })) })
    .nullish()
    .catch(undefined),
});
export type OpenAnswer = z.infer<typeof OpenAnswer>;
