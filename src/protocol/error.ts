/**
 * The closed list of error codes and the one error class that carries them.
 * Each code is explained in docs/errors.md; a test holds the two together.
 */

/** Code → HTTP status of an answer that carries it. */
export const errorStatus = {
  invalid_json: 400,
  invalid_request: 400,
  invalid_cursor: 400,
  invalid_session_id: 400,
  invalid_work_dir: 400,
  unknown_agent: 400,
  unknown_runtime: 400,
  env_key_reserved: 400,
  resume_not_found: 400,
  unsupported_by_runtime: 400,
  unsupported_by_agent: 400,
  unauthorized: 401,
  insufficient_scope: 403,
  forbidden_host: 403,
  forbidden_origin: 403,
  executable_forbidden: 403,
  not_permitted: 403,
  not_found: 404,
  session_not_found: 404,
  turn_not_found: 404,
  log_not_found: 404,
  blob_not_found: 404,
  input_not_found: 404,
  token_not_found: 404,
  chat_not_found: 404,
  session_exists: 409,
  session_ended: 409,
  session_unreadable: 409,
  name_taken: 409,
  token_exists: 409,
  chat_exists: 409,
  chat_not_idle: 409,
  chat_not_running: 409,
  chat_full: 409,
  resume_in_use: 409,
  turn_not_queued: 409,
  input_answered: 409,
  budget_spent: 409,
  idempotency_conflict: 409,
  outcome_unknown: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  upgrade_required: 426,
  queue_full: 429,
  rate_limited: 429,
  token_sessions: 429,
  chat_busy: 429,
  invalid_frame: 400,
  unknown_frame: 400,
  max_sessions: 503,
  max_chats: 503,
  shutting_down: 503,
  disk_full: 503,
  runtime_unavailable: 503,
  token_not_written: 500,
  log_write_failed: 500,
  store_failed: 500,
  launch_failed: 500,
  agent_not_found: 500,
  agent_failed: 500,
  sidecar_lost: 500,
  internal: 500,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof errorStatus;

/** What an `error` answer looks like on the wire: `error` is the stable code, `message` is for people. */
export interface ErrorBody {
  error: ErrorCode;
  message: string;
  [detail: string]: unknown;
}

/** An error with a stable code. The message names the act, the subject, what was found and what to do next. */
export class AgentdError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "AgentdError";
    this.code = code;
    this.details = options.details ?? {};
  }

  get status(): number {
    return errorStatus[this.code];
  }

  toBody(): ErrorBody {
    return { ...this.details, error: this.code, message: this.message };
  }
}

/** It failed, and what was asked for may have come about all the same: not to be done again without looking. */
export class OpenOutcome extends AgentdError {
  static of(thrown: unknown): OpenOutcome {
    if (!(thrown instanceof AgentdError)) return new OpenOutcome("internal", messageOf(thrown), { cause: thrown });
    const { code, message, cause, details } = thrown;
    return new OpenOutcome(code, message, { cause, details });
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Node's `code` (ENOENT, ENOSPC…) of anything that was thrown, when it has one. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

/** There is no room left for what was to be written. */
export function isDiskFull(thrown: unknown): boolean {
  const errno = errnoOf(thrown);
  return errno === "ENOSPC" || errno === "EDQUOT" || errno === "SQLITE_FULL";
}
