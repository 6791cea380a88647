/**
 * What the daemon keeps in its database: an index over the sessions' folders, which can be made again from them, and
 * answers to idempotency keys, the digests of tokens and the chats, which no log holds. Types only: SQLite is one way to
 * keep it.
 */
import type { Scope } from "../protocol/access.ts";
import type { AgentHome, EndReason, PermissionMode, SessionStatus } from "../protocol/session.ts";

export interface Store {
  readonly sessions: SessionIndex;
  readonly answers: AnswerBook;
  readonly tokens: TokenBook;
  readonly chats: ChatBook;
  /** The id of the data dir whose store it is; none in one that is new, or that an earlier version made. */
  owner(): Promise<string | undefined>;
  /**
   * It is the store of this data dir from now on, and knows no session: they are to be read from their folders. What no
   * folder holds, answers, tokens and chats, stays only with `keepsOwned`: another data dir's tokens open nothing here.
   */
  claim(dataDirId: string, options: { keepsOwned: boolean }): Promise<void>;
  close(): Promise<void>;
}

/**
 * Where a session stands: `live` until its end is in the index, `ended`, `removing` while a DELETE is under way,
 * `removed` when only its log is left, `foreign` for a log that the Go daemon left.
 */
export type Standing = "live" | "ended" | "removing" | "removed" | "foreign";

/** One session. Times are Unix ms. What is not known is null. */
export interface SessionRow {
  id: string;
  standing: Standing;
  name: string | null;
  task_id: string | null;
  agent: string | null;
  runtime: string | null;
  /** The public word; of a foreign log, the status of its last result. */
  status: string | null;
  interactive: boolean;
  work_dir: string | null;
  agent_home: AgentHome | null;
  /** Session whose private home it uses. */
  home_of: string | null;
  permission_mode: PermissionMode | null;
  model: string | null;
  agent_session_id: string | null;
  tags: Readonly<Record<string, string>>;
  created_at: number | null;
  ended_at: number | null;
  last_activity: number | null;
  end_reason: EndReason | null;
  exit_code: number | null;
  /** How far the log has been read: what stands here of it is of its first so many bytes and lines. */
  log_bytes: number;
  last_seq: number;
  turns: number;
  tool_calls: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number | null;
}

export interface SessionFilter {
  status?: SessionStatus | undefined;
  agent?: string | undefined;
  workDir?: string | undefined;
  taskId?: string | undefined;
  idPrefix?: string | undefined;
  tags?: Readonly<Record<string, string>> | undefined;
  /** Created at or after. */
  since?: number | undefined;
  /** Created before. */
  until?: number | undefined;
}

/** A place in the order of creation: sessions made in one millisecond are told apart by id. */
export interface Place {
  created_at: number;
  id: string;
}

export interface Page {
  /** Begins behind this one. */
  after?: Place | undefined;
  order: "oldest" | "newest";
  limit: number;
}

export interface SessionIndex {
  /** Makes the row, or replaces it. */
  put(row: SessionRow): Promise<void>;
  /** The session of this id, at any standing. */
  byId(id: string): Promise<SessionRow | undefined>;
  /** The ended session of this id, else of this name. */
  findEnded(ref: string): Promise<SessionRow | undefined>;
  /** The newest ended session on this conversation of the agent's. */
  findConversation(agentSessionId: string): Promise<SessionRow | undefined>;
  /** Who has this id or name, live or ended. */
  ownerOf(name: string): Promise<string | undefined>;
  /** Whether another session that is live or ended uses the private home of that one. */
  isHomeUsed(homeOf: string, besides: string): Promise<boolean>;
  /** Ended sessions. */
  pageEnded(filter: SessionFilter, page: Page): Promise<SessionRow[]>;
  /** All that have a log and are not live, newest end first. */
  history(limit: number): Promise<SessionRow[]>;
  /** Every id, with where it stands; or those that stand at one place. */
  standings(only?: Standing): Promise<{ id: string; standing: Standing; log_bytes: number }[]>;
  /** Of those that have ended or were deleted: all but the newest so many, and those that ended before a time. */
  beyond(policy: { count: number | undefined; endedBefore: number | undefined }): Promise<SessionRow[]>;
  /** Of those that have ended or were deleted: the next ones by id that ended before a time. */
  endedBefore(time: number, afterId: string | undefined): Promise<SessionRow[]>;
  setStanding(id: string, standing: Standing): Promise<void>;
  drop(ids: readonly string[]): Promise<void>;
}

/** A request that is carried out once. */
export interface AnswerKey {
  /** Method and address. */
  scope: string;
  key: string;
}

export interface KeptAnswer {
  status: number;
  body: unknown;
}

/** What is known of a key that somebody sent before. */
export interface EarlierClaim {
  bodyHash: string;
  /** What the first request set out to do; whoever finds no answer looks by it whether that came about. */
  intent: unknown;
  answer: KeptAnswer | undefined;
}

export interface AnswerBook {
  /** Reserves the key, on disk; or tells what was reserved before. */
  claim(key: AnswerKey, claim: { bodyHash: string; intent: unknown; at: number }): Promise<EarlierClaim | undefined>;
  /** The answer is on disk when this resolves. */
  keep(key: AnswerKey, answer: KeptAnswer): Promise<void>;
  /** Nothing came of it: the key is free again. */
  release(key: AnswerKey): Promise<void>;
  /** Forgets what was claimed before, and the oldest ones above a number. */
  forget(limits: { before: number; countMax: number }): Promise<void>;
}

/** A named token. What it is made of is not kept: only a digest, from which it cannot be found. */
export interface TokenRow {
  name: string;
  /** Stands in the token: by it the row is found. */
  id: string;
  scope: Scope;
  /** SHA-256 of the whole token, as hexadecimal digits. */
  digest: string;
  created_at: number;
  /** Null for one that does not expire. */
  expires_at: number | null;
}

export interface TokenBook {
  all(): Promise<TokenRow[]>;
  /** Makes the row of this name, or replaces it. It is on disk when this resolves. */
  put(row: TokenRow): Promise<void>;
  /** It is gone from the disk when this resolves. */
  remove(name: string): Promise<void>;
}

/** A chat: a name for a conversation that goes on from session to session. */
export interface ChatRow {
  name: string;
  /** As it was asked for, and changed since. May hold secrets. */
  config: unknown;
  /** Name of its own folder: a later chat of the same name has another. */
  folder: string;
  created_at: number;
  updated_at: number;
  /** When something was last sent, or a session begun. */
  last_active_at: number | null;
  /** A digest of the Idempotency-Key it was asked for with. */
  request: string | null;
}

/**
 * One step of a chat's chain: a session that was begun, or that a message waits for. `waiting` is accepted and not begun,
 * or not yet known to be; `failed` could not be begun, `fault` says why.
 */
export interface ChatStep {
  chat: string;
  /** From 0, without holes. */
  position: number;
  /** Chosen when the step was accepted: by it what came of it is found again. */
  session_id: string;
  /** `attach` was begun without a message, for somebody to talk in; `imported` is what was said elsewhere, and no session. */
  kind: "message" | "attach" | "imported";
  standing: "waiting" | "begun" | "failed";
  /** The message, until its session's log holds it; of a failed step for good. */
  text: string | null;
  fault: { code: string; message: string } | null;
  /** Of what was imported: the agent's own id of the conversation to go on with. */
  conversation: string | null;
  sent_at: number;
  /** Name of the token it was sent with. */
  sent_by: string | null;
}

/** What a list shows of a chat. */
export interface ChatSummary {
  row: ChatRow;
  begun: number;
  waiting: number;
}

export interface ChatBook {
  /** False when there is one of that name. It is on disk when this resolves, with its first step if it has one. */
  create(row: ChatRow, first?: ChatStep): Promise<boolean>;
  find(name: string): Promise<ChatRow | undefined>;
  count(): Promise<number>;
  /** All, in the order of their creation. */
  summaries(): Promise<ChatSummary[]>;
  change(name: string, change: Pick<ChatRow, "config" | "updated_at">): Promise<void>;
  /** With its steps. */
  remove(name: string): Promise<void>;
  /** Of one chat, in order. */
  steps(name: string): Promise<ChatStep[]>;
  stepOf(sessionId: string): Promise<ChatStep | undefined>;
  /** Of all chats. */
  waiting(): Promise<ChatStep[]>;
  /** It is on disk when this resolves: from then on it is accepted. */
  add(step: ChatStep): Promise<void>;
  /** Takes back one that nobody was told of. */
  drop(step: Pick<ChatStep, "chat" | "position">): Promise<void>;
  /** Its session's log holds the message, and an agent may have been given it. */
  begun(step: Pick<ChatStep, "chat" | "position">): Promise<void>;
  failed(step: Pick<ChatStep, "chat" | "position">, fault: NonNullable<ChatStep["fault"]>): Promise<void>;
  /** The session was never given its message: the step is begun and over, and the same message waits behind it. Both or neither. */
  again(step: ChatStep, sessionId: string): Promise<void>;
  /** The agents' own ids of the sessions of a chat, by session. */
  conversations(name: string): Promise<Record<string, string>>;
  /** Of each chat the last session whose conversation can be gone on with. */
  resumable(): Promise<string[]>;
}
