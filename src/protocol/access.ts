/** Who may call: scopes, named tokens, tickets, and what is written down of what was done. */
import * as z from "zod";

/** From the least to the most: each may do what those before it may. */
export const Scope = z.enum(["read", "write", "admin"]);
export type Scope = z.infer<typeof Scope>;

/** Whether who holds one scope may do what needs another. */
export function covers(held: Scope, needed: Scope): boolean {
  return Scope.options.indexOf(held) >= Scope.options.indexOf(needed);
}

/** Callers that have no named token, as the audit log calls them. */
export const unnamedCallers = { file: "token-file", anyone: "no-auth" } as const;

export const TokenName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    "a token's name is 1 to 64 lower-case letters, digits, dots, dashes and underscores, and starts with a letter or a digit",
  )
  .refine((name) => !Object.values<string>(unnamedCallers).includes(name), "that name is taken by agentd itself");

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const lifetimeMsMax = 3650 * 86_400_000;

/** How long a token is good for, such as `90d`, as milliseconds. */
export const Lifetime = z.string().transform((text, context) => {
  const [, count = "", unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (unitMs[unit] ?? 0);
  if (ms > 0 && ms <= lifetimeMsMax) return ms;
  context.addIssue({
    code: "custom",
    message: `expected a whole number with s, m, h or d, such as "12h" or "90d", at most 3650d, found ${JSON.stringify(text)}`,
  });
  return z.NEVER;
});

/** `POST /tokens`. */
export const TokenRequest = z.strictObject({ name: TokenName, scope: Scope, expires_in: Lifetime.optional() });
export type TokenRequest = z.infer<typeof TokenRequest>;

/** One of `GET /tokens`: everything but the token, which nobody has but whoever was given it. */
export const TokenView = z.object({
  name: z.string(),
  scope: Scope,
  created_at: z.string(),
  expires_at: z.string().nullable(),
  is_expired: z.boolean(),
});
export type TokenView = z.infer<typeof TokenView>;

/** The one answer that holds the token. */
export const TokenCreated = TokenView.extend({ token: z.string() });
export type TokenCreated = z.infer<typeof TokenCreated>;

/** `POST /tickets`: what opens one stream of one session, or of one chat, once. */
export const TicketRequest = z
  .strictObject({
    session_id: z.string().min(1).max(200).optional(),
    /** Its name. */
    chat: z.string().min(1).max(200).optional(),
    /** No more than the caller may; by default as much. */
    scope: Scope.optional(),
  })
  .refine(({ session_id, chat }) => (session_id === undefined) !== (chat === undefined), {
    error: "a ticket is for one stream: name either session_id or chat",
  });

export const TicketCreated = z.object({ ticket: z.string(), expires_at: z.string() });
export type TicketCreated = z.infer<typeof TicketCreated>;

/** What is written down: whatever changes something. */
export const AuditAct = z.enum([
  "create",
  "prompt",
  "steer",
  "interrupt",
  "context",
  "mention",
  "withdraw",
  "answer",
  "change",
  "stop",
  "delete",
  "chat_create",
  "chat_message",
  "chat_attach",
  "chat_change",
  "chat_delete",
  "egress_reload",
  "gc",
  "ticket",
  "token_create",
  "token_rotate",
  "token_revoke",
]);
export type AuditAct = z.infer<typeof AuditAct>;

/** A line of the audit log, and one of `GET /audit`. */
export const AuditEntry = z.object({
  /** Counts from 1, without holes as long as none was put away: refused acts are kept for a shorter time than others. */
  seq: z.number(),
  at: z.string(),
  /** The token's name; `token-file` or `no-auth`. */
  caller: z.string(),
  /** Tells tokens apart that had one name. */
  token_id: z.string().optional(),
  act: AuditAct,
  /** The session's id; what was asked for where there is none of that name. */
  session_id: z.string().optional(),
  /** The token that was made, replaced or revoked; the chat. */
  subject: z.string().optional(),
  /** Address of the other end, or `unix`. */
  from: z.string(),
  by: z.enum(["http", "websocket"]),
  /** Absent when it was done: why it was not. */
  error: z.string().optional(),
  /** It was done so many times more within a minute; `session_id` and `subject` are absent, `from` is of the last. */
  repeated: z.number().optional(),
  /** So many entries were not written, because the disk did not keep up. */
  lost_before: z.number().optional(),
});
export type AuditEntry = z.infer<typeof AuditEntry>;
