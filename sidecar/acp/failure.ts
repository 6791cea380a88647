/** Why something failed, from the codes and members of a JSON-RPC error, never from its prose. Pure. */
import type { ErrorCategory } from "../../src/protocol/event.ts";
import { categoryOfStatus, type Failure } from "../failure.ts";
import type { RpcError } from "./raw.ts";

export const authRequired = -32_000;
const resourceNotFound = -32_002;

/** Words that agents put beside an error: the Claude adapter's `errorKind`, OpenCode's `errorName`, services' types. */
export const byWord: Readonly<Record<string, ErrorCategory>> = {
  authentication_failed: "auth_error",
  authentication_error: "auth_error",
  ProviderAuthError: "auth_error",
  // OpenCode (1.18.33) keeps the status of the answer to itself.
  APIError: "upstream_api_error",
  invalid_api_key: "auth_error",
  permission_error: "permission_denied",
  model_not_found: "model_not_found",
  ProviderModelNotFoundError: "model_not_found",
  rate_limit: "rate_limit",
  rate_limit_error: "rate_limit",
  overloaded: "upstream_api_error",
  overloaded_error: "upstream_api_error",
  server_error: "upstream_api_error",
  api_error: "upstream_api_error",
  billing_error: "quota",
  insufficient_quota: "quota",
  usageLimitExceeded: "quota",
  contextWindowExceeded: "context_exceeded",
  ContextOverflowError: "context_exceeded",
  context_length_exceeded: "context_exceeded",
  invalid_request: "invalid_request",
  invalid_request_error: "invalid_request",
};

const statusMembers = new Set(["status", "statusCode", "status_code", "httpStatus", "httpStatusCode", "http_status"]);
const wordMembers = new Set(["errorKind", "errorName", "type", "code", "name", "codex_error_info", "codexErrorInfo"]);
/** Agents nest the error of their service in their own. */
const depthMax = 5;
const membersMax = 200;

interface Facts {
  status: number | undefined;
  category: ErrorCategory | undefined;
}

export function failureOf(error: RpcError): Failure {
  const { status, category } = factsOf(error.data);
  const known = category ?? (status === undefined ? categoryOfCode(error.code) : categoryOfHttp(status));
  return { message: error.message, category: known, ...(status === undefined ? {} : { status }) };
}

export function categoryOfHttp(status: number): ErrorCategory {
  return status === 403 ? "permission_denied" : categoryOfStatus(status);
}

/** -32603 says that something went wrong, which we know. */
function categoryOfCode(code: number): ErrorCategory | undefined {
  switch (code) {
    case authRequired:
      return "auth_error";
    case resourceNotFound:
      return "session_not_found";
    case -32_600:
    case -32_601:
    case -32_602:
      return "invalid_request";
    default:
      return undefined;
  }
}

/** The first HTTP status and the first word we know, wherever they stand. */
export function factsOf(data: unknown): Facts {
  const facts: Facts = { status: undefined, category: undefined };
  let members = 0;
  const look = (value: unknown, depth: number) => {
    if (typeof value !== "object" || value === null || depth > depthMax) return;
    for (const [key, member] of Object.entries(value)) {
      if (members++ > membersMax) return;
      if (statusMembers.has(key) && isHttpError(member)) facts.status ??= member;
      if (typeof member === "string") look(answerIn(member), depth + 1);
      if (wordMembers.has(key) && typeof member === "string") facts.category ??= categoryOfWord(member);
      // A word may also be the name of a member that holds the details.
      facts.category ??= categoryOfWord(key);
      look(member, depth + 1);
    }
  };
  look(data, 0);
  return facts;
}

/** Clients of model services tell an answer as its status and its body: `401 {"error":{…}}` (Qwen Code 0.15.10). */
function answerIn(text: string): unknown {
  const [, status, body] = /^([45]\d\d) (\{[\s\S]*\})$/.exec(text) ?? [];
  if (status === undefined || body === undefined) return undefined;
  try {
    return { status: Number(status), body: JSON.parse(body) };
  } catch {
    return undefined;
  }
}

function isHttpError(value: unknown): value is number {
  return typeof value === "number" && value >= 400 && value < 600;
}

function categoryOfWord(word: string): ErrorCategory | undefined {
  return Object.hasOwn(byWord, word) ? byWord[word] : undefined;
}
