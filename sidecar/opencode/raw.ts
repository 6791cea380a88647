/**
 * What the event stream of `opencode serve` says, as far as we read it (1.18.33 was seen). Tolerant: unknown members are
 * kept, unknown types come out as `unknown`, and a known type with members of the wrong kind is `unknown` too.
 */
import * as z from "zod";
import { agentId, optionalId } from "../agent-id.ts";

const optionalText = z.string().nullish().catch(undefined);
const optionalNumber = z.number().nullish().catch(undefined);
const count = z.number().catch(0).default(0);
const members = z.record(z.string(), z.unknown());
const optionalMembers = members.nullish().catch(undefined);

export const RawTokens = z.looseObject({
  input: count,
  /** Without reasoning. */
  output: count,
  reasoning: count,
  cache: z.looseObject({ read: count, write: count }).catch({ read: 0, write: 0 }).default({ read: 0, write: 0 }),
});
export type RawTokens = z.infer<typeof RawTokens>;

export const RawError = z.looseObject({
  name: z.string(),
  data: z
    .looseObject({
      message: optionalText,
      statusCode: optionalNumber,
      responseBody: optionalText,
    })
    .nullish()
    .catch(undefined),
});
export type RawError = z.infer<typeof RawError>;

const time = z.looseObject({ start: optionalNumber, end: optionalNumber }).nullish().catch(undefined);

const UserInfo = z.looseObject({ id: agentId, role: z.literal("user") });
/** One for each call of the model; `parentID` is the message of a user that it answers. */
const AssistantInfo = z.looseObject({
  id: agentId,
  role: z.literal("assistant"),
  parentID: optionalId,
  providerID: optionalText,
  modelID: optionalText,
  finish: optionalText,
  /** The answer that was to fit a schema. */
  structured: z.unknown().optional(),
  error: RawError.nullish().catch(undefined),
  summary: z.boolean().nullish().catch(undefined),
  time: z.looseObject({ completed: optionalNumber }).nullish().catch(undefined),
});
export type AssistantInfo = z.infer<typeof AssistantInfo>;

const place = { id: agentId, messageID: agentId };
const TextPart = z.looseObject({
  ...place,
  type: z.enum(["text", "reasoning"]),
  text: z.string(),
  time,
  synthetic: z.boolean().nullish().catch(undefined),
  metadata: optionalMembers,
});
export type TextPart = z.infer<typeof TextPart>;

export const ToolPart = z.looseObject({
  ...place,
  type: z.literal("tool"),
  tool: z.string(),
  callID: agentId,
  state: z.looseObject({
    status: z.string(),
    input: z.unknown().optional(),
    output: z.unknown().optional(),
    error: z.unknown().optional(),
    metadata: optionalMembers,
    time,
  }),
});
export type ToolPart = z.infer<typeof ToolPart>;

const StepStart = z.looseObject({ ...place, type: z.literal("step-start") });
const StepFinish = z.looseObject({
  ...place,
  type: z.literal("step-finish"),
  reason: optionalText,
  cost: count,
  tokens: RawTokens.catch(RawTokens.parse({})).default(RawTokens.parse({})),
});
export type StepFinish = z.infer<typeof StepFinish>;
/** Files, patches, compaction marks and what a newer version adds: they change nothing here. */
const OtherPart = z.looseObject({ ...place, type: z.string() });

const known = ["text", "reasoning", "tool", "step-start", "step-finish"];
const Part = z.union([
  TextPart,
  ToolPart,
  StepStart,
  StepFinish,
  OtherPart.refine(({ type }) => !known.includes(type)).transform((part) => ({ ...part, type: "other" as const })),
]);
export type Part = z.infer<typeof Part>;

const sessionID = agentId;
const toolOf = z.looseObject({ messageID: optionalId, callID: agentId }).nullish().catch(undefined);

export const PermissionAsked = z.looseObject({
  sessionID,
  id: agentId,
  permission: z.string(),
  patterns: z.array(z.string()).catch([]).default([]),
  metadata: optionalMembers,
  tool: toolOf,
});
export type PermissionAsked = z.infer<typeof PermissionAsked>;

export const QuestionAsked = z.looseObject({
  sessionID,
  id: agentId,
  questions: z.array(
    z.looseObject({
      question: z.string(),
      options: z
        .array(z.looseObject({ label: z.string(), description: optionalText }))
        .catch([])
        .default([]),
      multiple: z.boolean().nullish().catch(undefined),
      custom: z.boolean().nullish().catch(undefined),
    }),
  ),
  tool: toolOf,
});
export type QuestionAsked = z.infer<typeof QuestionAsked>;

const Status = z.union([
  z.looseObject({ type: z.enum(["busy", "idle"]) }),
  z.looseObject({ type: z.literal("retry"), attempt: z.number(), message: optionalText, next: z.number() }),
]);

const said = <T extends string, P extends z.ZodType>(type: T, properties: P) =>
  z.looseObject({ type: z.literal(type), properties });
const answered = z.looseObject({ sessionID, requestID: agentId });

export const Known = z.discriminatedUnion("type", [
  said("message.updated", z.looseObject({ sessionID, info: z.discriminatedUnion("role", [UserInfo, AssistantInfo]) })),
  said("message.part.updated", z.looseObject({ sessionID, part: Part })),
  said(
    "message.part.delta",
    z.looseObject({ sessionID, messageID: agentId, partID: agentId, field: z.string(), delta: z.string() }),
  ),
  said("session.status", z.looseObject({ sessionID, status: Status })),
  said("session.idle", z.looseObject({ sessionID })),
  said("session.error", z.looseObject({ sessionID: optionalId, error: RawError.nullish().catch(undefined) })),
  said("session.created", z.looseObject({ sessionID, info: z.looseObject({ parentID: optionalId }) })),
  said("session.compacted", z.looseObject({ sessionID })),
  said("todo.updated", z.looseObject({ sessionID, todos: z.array(z.unknown()) })),
  said("permission.asked", PermissionAsked),
  said("permission.replied", answered),
  said("question.asked", QuestionAsked),
  said("question.replied", answered),
  said("question.rejected", answered),
]);
export type Raw = z.infer<typeof Known>;

const knownTypes: ReadonlySet<string> = new Set(Known.options.map(({ shape }) => shape.type.value));

/** Said of the server, of other APIs of it or of files; nothing of a conversation is in there. */
const silent =
  /^(server|plugin|catalog|reference|integration|project|installation|lsp|vcs|pty|mcp|tui|ide|worktree|workspace|models-dev)\.|^file\.|^command\.executed$|^session\.(updated|diff|deleted|next\..+)$|^message\.(part\.)?removed$|^(permission|question)\.v2\./;

const Envelope = z.looseObject({ type: z.string() });

export function readRaw(value: unknown): Raw | "silent" | "unknown" {
  const envelope = Envelope.safeParse(value);
  if (!envelope.success) return "unknown";
  const { type } = envelope.data;
  if (!knownTypes.has(type)) return silent.test(type) ? "silent" : "unknown";
  return Known.safeParse(value).data ?? "unknown";
}
