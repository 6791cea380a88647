/** What may be asked of a running session: from the daemon (or an older client) to a sidecar. */
import * as z from "zod";
import { Image } from "./agent-options.ts";
import { Decision } from "./event.ts";
import { PermissionMode } from "./session.ts";

const content = z.string();

/** A piece of context that rides with the next prompt or steer. */
export const ContextItem = z.object({ text: z.string().optional(), filePath: z.string().optional() });
export type ContextItem = z.infer<typeof ContextItem>;

/** Lines of a file, counted from 1, both ends included; the whole file without numbers. */
export const MentionItem = z.object({
  filePath: z.string().min(1),
  lineStart: z.number().int().positive().optional(),
  lineEnd: z.number().int().positive().optional(),
});
export type MentionItem = z.infer<typeof MentionItem>;

/** `file_path` → `filePath` and so on: the Go daemon sent one spelling, its sidecar read the other. Numbers ≤ 0 mean "not given". */
export function acceptBothSpellings(data: unknown): unknown {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return data;
  const out: Record<string, unknown> = { ...data };
  for (const [snake, camel] of [
    ["file_path", "filePath"],
    ["line_start", "lineStart"],
    ["line_end", "lineEnd"],
  ] as const) {
    if (out[camel] === undefined && out[snake] !== undefined) out[camel] = out[snake];
    delete out[snake];
  }
  for (const key of ["lineStart", "lineEnd"]) if (typeof out[key] === "number" && out[key] <= 0) delete out[key];
  return out;
}

/** Why a turn is being interrupted; `limit` makes its result say so. */
export const InterruptReason = z.enum(["user", "limit", "stop"]);
export type InterruptReason = z.infer<typeof InterruptReason>;

/** An answer to an `input_required`. */
export const InputAnswer = z.object({
  decision: Decision,
  /** Told to the agent with a denial, or as free text. */
  message: z.string().optional(),
  /** What the tool is to be called with instead. */
  updated_input: z.record(z.string(), z.unknown()).optional(),
  /** By question id: the ids or labels of the choices, or free text. */
  answers: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
});
export type InputAnswer = z.infer<typeof InputAnswer>;

const noData = z.object({}).default({});

export const Command = z.discriminatedUnion("type", [
  /** Starts a turn. The daemon sends one only while the agent is idle; without `turn_id` the sidecar numbers it. */
  z.object({
    type: z.literal("prompt"),
    data: z.object({ content, turn_id: z.string().optional(), images: z.array(Image).optional() }),
  }),
  /**
   * Redirects the running turn; a prompt of `turn_id` when none runs. Only the sidecar knows which it was: with `record`
   * it writes the `user_message` in the place where it belongs, and `request` into it.
   */
  z.object({
    type: z.literal("steer"),
    data: z.object({
      content,
      turn_id: z.string().optional(),
      record: z.boolean().optional(),
      request: z.string().max(100).optional(),
    }),
  }),
  z.object({
    type: z.literal("interrupt"),
    data: z
      .object({ reason: InterruptReason.default("user"), detail: z.string().optional() })
      .default({ reason: "user" }),
  }),
  z.object({ type: z.literal("context"), data: z.preprocess(acceptBothSpellings, ContextItem) }),
  z.object({ type: z.literal("mention"), data: z.preprocess(acceptBothSpellings, MentionItem) }),
  /** Answers an open question; `by` is who did. */
  z.object({
    type: z.literal("respond"),
    data: InputAnswer.extend({ request_id: z.string(), by: z.string().default("client") }),
  }),
  /** From the next model request on. */
  z.object({ type: z.literal("set_model"), data: z.object({ model: z.string().min(1) }) }),
  z.object({ type: z.literal("set_permission_mode"), data: z.object({ permission_mode: PermissionMode }) }),
  /** No prompt will follow: the agent may end when it is done. */
  z.object({ type: z.literal("finish"), data: noData }),
  /** End the agent and all it started: ask, then signal, then force. */
  z.object({ type: z.literal("stop"), data: z.object({ reason: z.string() }) }),
  /** Everything up to this count is in the daemon's log and need not be kept. */
  z.object({ type: z.literal("ack"), data: z.object({ sidecar_seq: z.number().int().nonnegative() }) }),
  /** The daemon cannot store more just now: stop reading the agent's output, let the watchdog rest. */
  z.object({ type: z.literal("pause"), data: z.object({ reason: z.string() }) }),
  z.object({ type: z.literal("resume"), data: noData }),
]);
export type Command = z.infer<typeof Command>;

/** A command on the link may carry an id, which its reply repeats; asked again under the same id it is not done again. */
export const CommandFrame = z.object({ id: z.string().max(100).optional() });
