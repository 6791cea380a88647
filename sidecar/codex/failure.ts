/** Why a call of the model failed, from the facts that Codex gives beside its prose. Pure. */
import * as z from "zod";
import type { ErrorCategory } from "../../src/protocol/event.ts";
import { categoryOfStatus, type Failure } from "../failure.ts";
import type { FailureInfo } from "./raw.ts";

export const byWord: Readonly<Record<string, ErrorCategory>> = {
  badRequest: "invalid_request",
  contextWindowExceeded: "context_exceeded",
  flexUnavailable: "upstream_api_error",
  internalServerError: "upstream_api_error",
  modelNotFound: "model_not_found",
  policyCapacityUnavailable: "upstream_api_error",
  rateLimitExceeded: "rate_limit",
  serverOverloaded: "upstream_api_error",
  sessionBudgetExceeded: "quota",
  unauthorized: "auth_error",
  usageLimitExceeded: "quota",
};

/** `{"httpConnectionFailed": {"httpStatusCode": 401}}` and its like: one member, named after where it failed. */
const WithStatus = z.record(z.string(), z.looseObject({ httpStatusCode: z.number().nullable() }));

/** The error body of the service, which Codex passes on as the message of a refused request (0.169.0). */
const ServiceError = z.looseObject({ error: z.looseObject({ type: z.string() }) });

/** `noted` is what the retries before it said: the last word after a dropped stream is only `other`. */
export function failureOf({ message, codexErrorInfo }: FailureInfo, noted: Failure | undefined): Failure {
  if (typeof codexErrorInfo === "string" && Object.hasOwn(byWord, codexErrorInfo))
    return { message, category: byWord[codexErrorInfo] };
  const status = statusOf(codexErrorInfo);
  if (status !== undefined) return { message, status, category: categoryOfAnswer(status) };
  const category = isRefusedRequest(message) ? "invalid_request" : noted?.category;
  return { message, category, ...(noted?.status === undefined ? {} : { status: noted.status }) };
}

/** Null when nobody answered; undefined when that is not what the error is about. */
function statusOf(info: unknown): number | null | undefined {
  const parsed = WithStatus.safeParse(info);
  return parsed.success ? Object.values(parsed.data)[0]?.httpStatusCode : undefined;
}

function categoryOfAnswer(status: number | null): ErrorCategory {
  if (status === null) return "network";
  return status === 403 ? "permission_denied" : categoryOfStatus(status);
}

function isRefusedRequest(message: string): boolean {
  try {
    return ServiceError.safeParse(JSON.parse(message)).data?.error.type === "invalid_request_error";
  } catch {
    // A sentence rather than a body: it says nothing that may be relied on.
    return false;
  }
}
