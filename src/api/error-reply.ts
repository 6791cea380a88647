/** Whatever was thrown → status and body. */
import type { FastifyError, FastifyReply } from "fastify";
import * as z from "zod";
import { AgentdError, type ErrorCode, errnoOf, isDiskFull, messageOf } from "../protocol/error.ts";
import { firstIssue } from "../protocol/first-issue.ts";

const fastifyCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "body_too_large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "invalid_request",
  FST_ERR_CTP_INVALID_JSON_BODY: "invalid_json",
  FST_ERR_CTP_EMPTY_JSON_BODY: "invalid_json",
  FST_ERR_BAD_URL: "invalid_request",
  FST_ERR_ASYNC_CONSTRAINT: "invalid_request",
  FST_ERR_MAX_PARAM_LENGTH: "not_found",
};

export function toAgentdError(error: unknown): AgentdError {
  if (error instanceof AgentdError) return error;
  if (isDiskFull(error))
    return new AgentdError(
      "disk_full",
      "Cannot do it now: the disk that holds the data dir is full. Make room and try again",
      { cause: error },
    );
  if (errnoOf(error)?.startsWith("SQLITE_"))
    return new AgentdError(
      "store_failed",
      `The daemon's store could not be used: ${messageOf(error)}. Sessions go on; if it says so again, stop the daemon and run "agentd reindex"`,
      { cause: error },
    );
  if (error instanceof z.ZodError) return new AgentdError("invalid_request", firstIssue(error), { cause: error });
  if (error instanceof Error) {
    const { code: fastifyCode = "", statusCode } = error as Partial<FastifyError>;
    const code = fastifyCodes[fastifyCode] ?? (statusCode === 400 ? "invalid_json" : undefined);
    if (code === "body_too_large")
      return new AgentdError(
        code,
        "Cannot take the request: its body is over the limit (limits.body_bytes, 8 MiB by default)",
        { cause: error },
      );
    if (code === "unsupported_media_type")
      return new AgentdError(
        code,
        'Cannot read the body: send it as JSON, with the header "Content-Type: application/json"',
        { cause: error },
      );
    if (code) return new AgentdError(code, `Cannot read the request: ${error.message}`, { cause: error });
  }
  return new AgentdError("internal", "Something failed inside agentd. Its own log says more", { cause: error });
}

export interface ErrorReplyOptions {
  onInternalError(error: unknown): void;
  onRefused(code: ErrorCode): void;
}

export function replyWithError(thrown: unknown, reply: FastifyReply, options: ErrorReplyOptions): void {
  const error = toAgentdError(thrown);
  options.onRefused(error.code);
  if (error.code === "internal" || error.code === "store_failed") options.onInternalError(thrown);
  // The rest of the body is read and dropped: a connection closed in its midst would take the answer with it.
  if (error.code === "body_too_large") {
    void reply.header("connection", "keep-alive");
    reply.request.raw.resume();
  }
  const { retry_after } = error.details;
  if (typeof retry_after === "number") void reply.header("retry-after", Math.ceil(retry_after));
  void reply
    .code(error.status)
    .header("content-type", "application/json; charset=utf-8")
    .send(JSON.stringify(error.toBody()));
}
