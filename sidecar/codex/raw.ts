/**
 * What the app-server writes (codex 0.169.0), as far as we rely on it. Tolerant: members that are missing or of another
 * kind are absent, lines that fit nothing are `unknown` and are kept as they are.
 */
import * as z from "zod";
import { agentId, optionalId } from "../agent-id.ts";

const text = z.string().nullish().catch(undefined);
const number = z.number().nullish().catch(undefined);
const unknowns = z.array(z.unknown()).nullish().catch(undefined);

const RpcId = z.union([agentId, z.number()]);

const Reply = z.looseObject({
  id: RpcId,
  result: z.unknown().optional(),
  error: z.looseObject({ code: z.number().catch(0), message: z.string().catch("") }).optional(),
});
export type Reply = z.infer<typeof Reply>;

export const ThreadReply = z.looseObject({
  thread: z.looseObject({ id: agentId }),
  model: text,
  cwd: text,
});
export const TurnReply = z.looseObject({ turn: z.looseObject({ id: agentId }) });
export const InitializeReply = z.looseObject({ userAgent: text });

export const FailureInfo = z.looseObject({
  message: z.string().catch(""),
  codexErrorInfo: z.unknown(),
  additionalDetails: text,
});
export type FailureInfo = z.infer<typeof FailureInfo>;

export const Item = z.looseObject({
  type: z.string(),
  id: agentId,
  text,
  clientId: optionalId,
  summary: unknowns,
  content: unknowns,
  startedAtMs: number,
  completedAtMs: number,
  status: text,
});
export type Item = z.infer<typeof Item>;

const place = { threadId: agentId, turnId: optionalId };

const Turn = z.looseObject({
  id: agentId,
  rootTurnId: optionalId,
  status: z.string(),
  error: FailureInfo.nullish().catch(undefined),
  durationMs: number,
});
export const TurnLine = z.looseObject({ threadId: agentId, turn: Turn });
export type TurnLine = z.infer<typeof TurnLine>;

export const ItemLine = z.looseObject({ ...place, item: Item });
export type ItemLine = z.infer<typeof ItemLine>;

const tokens = z.number().catch(0).default(0);
const Tokens = z.looseObject({
  totalTokens: tokens,
  inputTokens: tokens,
  cachedInputTokens: tokens,
  cacheWriteInputTokens: tokens,
  outputTokens: tokens,
});
export type Tokens = z.infer<typeof Tokens>;
export const UsageLine = z.looseObject({ ...place, tokenUsage: z.looseObject({ total: Tokens, last: Tokens }) });
export type UsageLine = z.infer<typeof UsageLine>;

export const ErrorLine = z.looseObject({
  threadId: optionalId,
  turnId: optionalId,
  error: FailureInfo,
  willRetry: z.boolean().catch(false),
});
export type ErrorLine = z.infer<typeof ErrorLine>;

export const RawItemLine = z.looseObject({
  ...place,
  item: z.looseObject({
    type: z.string(),
    call_id: optionalId,
    name: text,
    namespace: text,
    arguments: z.unknown().optional(),
    input: z.unknown().optional(),
    output: z.unknown().optional(),
  }),
});
export type RawItemLine = z.infer<typeof RawItemLine>;

export const Resolved = z.looseObject({ requestId: RpcId });
export const Settings = z.looseObject({ threadId: agentId, threadSettings: z.looseObject({ model: z.string() }) });
export const Rerouted = z.looseObject({ threadId: agentId, toModel: z.string() });
export const Plan = z.looseObject({
  ...place,
  plan: z.array(z.looseObject({ step: z.string(), status: z.string() })),
});
export const ServerStatus = z.looseObject({ name: z.string(), status: z.string(), error: text });
export const Notice = z.looseObject({ threadId: optionalId, message: text, summary: text, details: text });

export const Asked = z.looseObject({ threadId: optionalId, turnId: optionalId, itemId: optionalId });
export type Asked = z.infer<typeof Asked>;

export type Raw =
  | { kind: "reply"; line: Reply }
  | { kind: "asked"; id: string | number; method: string; line: Asked }
  | { kind: "turn_started"; line: TurnLine }
  | { kind: "turn_completed"; line: TurnLine }
  | { kind: "item_started"; line: ItemLine }
  | { kind: "item_completed"; line: ItemLine }
  | { kind: "usage"; line: UsageLine }
  | { kind: "error"; line: ErrorLine }
  | { kind: "raw_item"; line: RawItemLine }
  | { kind: "resolved"; line: z.infer<typeof Resolved> }
  | { kind: "settings"; line: z.infer<typeof Settings> }
  | { kind: "rerouted"; line: z.infer<typeof Rerouted> }
  | { kind: "plan"; line: z.infer<typeof Plan> }
  | { kind: "server_status"; line: z.infer<typeof ServerStatus> }
  | { kind: "notice"; method: string; line: z.infer<typeof Notice> }
  | { kind: "silent" }
  | { kind: "unknown" };

function read<K extends string, T>(kind: K, schema: z.ZodType<T>, value: unknown) {
  const parsed = schema.safeParse(value);
  return parsed.success ? { kind, line: parsed.data } : { kind: "unknown" as const };
}

/** Known and of no interest: what they say is said better elsewhere, or concerns Codex's own screens. */
const silent = new Set([
  "account/rateLimits/updated",
  "item/fileChange/outputDelta",
  "item/fileChange/patchUpdated",
  "item/commandExecution/terminalInteraction",
  "item/mcpToolCall/progress",
  "item/plan/delta",
  "item/reasoning/summaryPartAdded",
  "rawResponse/completed",
  "remoteControl/status/changed",
  "skills/changed",
  "thread/closed",
  "thread/goal/cleared",
  "thread/name/updated",
  "thread/queue/changed",
  "thread/readState/changed",
  "thread/started",
  "thread/status/changed",
  "turn/diff/updated",
  "turn/moderationMetadata",
]);

const Message = z.looseObject({
  method: z.string().optional(),
  id: RpcId.optional(),
  params: z.unknown().optional(),
});

/** One parsed line. Its own requests number their ids from 0, apart from ours: `method` tells them from replies. */
export function readRaw(value: unknown): Raw {
  const message = Message.safeParse(value);
  if (!message.success) return { kind: "unknown" };
  const { method, id, params } = message.data;
  if (method === undefined) return id === undefined ? { kind: "unknown" } : read("reply", Reply, value);
  if (id !== undefined) {
    const line = Asked.safeParse(params ?? {});
    return line.success ? { kind: "asked", id, method, line: line.data } : { kind: "unknown" };
  }
  return readNotification(method, params);
}

function readNotification(method: string, params: unknown): Raw {
  switch (method) {
    case "turn/started":
      return read("turn_started", TurnLine, params);
    case "turn/completed":
      return read("turn_completed", TurnLine, params);
    case "item/started":
      return read("item_started", ItemLine, params);
    case "item/completed":
      return read("item_completed", ItemLine, params);
    case "thread/tokenUsage/updated":
      return read("usage", UsageLine, params);
    case "error":
      return read("error", ErrorLine, params);
    case "rawResponseItem/completed":
      return read("raw_item", RawItemLine, params);
    case "serverRequest/resolved":
      return read("resolved", Resolved, params);
    case "thread/settings/updated":
      return read("settings", Settings, params);
    case "model/rerouted":
      return read("rerouted", Rerouted, params);
    case "turn/plan/updated":
      return read("plan", Plan, params);
    case "mcpServer/startupStatus/updated":
      return read("server_status", ServerStatus, params);
    case "warning":
    case "guardianWarning":
    case "configWarning":
    case "deprecationNotice": {
      const line = Notice.safeParse(params);
      return line.success ? { kind: "notice", method, line: line.data } : { kind: "unknown" };
    }
    default:
      return silent.has(method) ? { kind: "silent" } : { kind: "unknown" };
  }
}
