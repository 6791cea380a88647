/** Messages between the daemon and its WebSocket clients on `/ws/sessions/:id` and `/ws/chats/:name`. */
import * as z from "zod";
import { acceptBothSpellings, ContextItem, InputAnswer, MentionItem } from "./command.ts";
import { InputRequired } from "./event.ts";

/** Daemon → client. Optional keys are absent when they say nothing. */
export const ServerFrame = z.discriminatedUnion("type", [
  /** Log bytes from before the connection, base64. `offset` is after them. `gap`: what was asked for is gone, `start` is where it begins. */
  z.object({
    type: z.literal("replay"),
    data: z.string(),
    offset: z.number(),
    gap: z.literal(true).optional(),
    start: z.number().optional(),
  }),
  /** After the replay; from here on frames are live. */
  z.object({ type: z.literal("connected"), session_id: z.string(), mode: z.literal("pipe") }),
  /** Whole log lines as text. `offset` is after them. */
  z.object({ type: z.literal("stdout"), data: z.string(), offset: z.number() }),
  /** The session has ended; the socket closes after it. */
  z.object({ type: z.literal("exit"), exit_code: z.number() }),
  z.object({ type: z.literal("pong") }),
  /** Something the client sent failed, or the session cannot go on; `code` is of docs/errors.md. */
  z.object({ type: z.literal("error"), error: z.string(), code: z.string() }),
  /** A prompt or steer was accepted. */
  z.object({
    type: z.literal("accepted"),
    turn_id: z.string(),
    position: z.number(),
    /** Of a message to a chat: the session that it has begun, or waits for. */
    session_id: z.string().optional(),
  }),
  /** On the socket of a chat: what follows is of this session. */
  z.object({ type: z.literal("session"), session_id: z.string() }),
  /** Behind `connected`: a question that was open when the client came. The log holds it too, under the same id. */
  z.object({ type: z.literal("input_required"), data: InputRequired }),
  /** An answer was taken: this one, or the same given before. */
  z.object({ type: z.literal("answered"), request_id: z.string() }),
  /** The daemon cannot store more just now (disk full), or can again. */
  z.object({ type: z.literal("paused"), paused: z.boolean(), reason: z.string() }),
]);
export type ServerFrame = z.infer<typeof ServerFrame>;

const text = z.string();

/** Client → daemon. `stdin` is what older clients call a prompt. */
export const ClientFrame = z.discriminatedUnion("type", [
  z.object({ type: z.literal("stdin"), data: text.default("") }),
  z.object({ type: z.literal("prompt"), data: text.default("") }),
  z.object({ type: z.literal("steer"), data: text.default("") }),
  z.object({ type: z.literal("interrupt") }),
  z.object({ type: z.literal("context"), context: z.preprocess(acceptBothSpellings, ContextItem) }),
  z.object({ type: z.literal("mention"), mention: z.preprocess(acceptBothSpellings, MentionItem) }),
  /** Takes back a prompt that has not been given to the agent yet. */
  z.object({ type: z.literal("withdraw"), turn_id: z.string() }),
  /** Answers an open question. */
  z.object({ type: z.literal("respond"), ...InputAnswer.shape, request_id: z.string() }),
  z.object({ type: z.literal("ping") }),
  z.object({ type: z.literal("resize"), cols: z.number().optional(), rows: z.number().optional() }),
]);
export type ClientFrame = z.infer<typeof ClientFrame>;
export const clientFrameTypes: readonly string[] = ClientFrame.options.map((option) => option.shape.type.value);

/** Close codes that the daemon uses (RFC 6455, application range not needed). */
export const closeCode = {
  sessionEnded: 1000,
  shuttingDown: 1001,
  /** The daemon leaves and the session goes on: connect again, with `since=`, when the next one is up. */
  restarting: 1012,
  /** The token that let the client in was revoked, replaced, or has expired. */
  shutOut: 1008,
  frameTooLarge: 1009,
  clientTooSlow: 1013,
  internal: 1011,
} as const;
