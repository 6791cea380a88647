/** Why a call of the model failed, from the facts OpenCode gives beside its prose. Pure. */
import * as z from "zod";
import type { ErrorCategory } from "../../src/protocol/event.ts";
import { categoryOfStatus, type Failure } from "../failure.ts";
import type { RawError } from "./raw.ts";

export const byName: Readonly<Record<string, ErrorCategory>> = {
  ProviderAuthError: "auth_error",
  ContextOverflowError: "context_exceeded",
  ContentFilterError: "invalid_request",
  StructuredOutputError: "invalid_request",
};

/** The words of model services for an account that is used up, whatever status they send with them. */
export const quotaWords: ReadonlySet<string> = new Set([
  "insufficient_quota",
  "billing_error",
  "quota_exceeded",
  "insufficient_credits",
]);

const ErrorBody = z.looseObject({
  error: z.looseObject({
    type: z.string().nullish().catch(undefined),
    code: z.union([z.string(), z.number()]).nullish().catch(undefined),
  }),
});

export function failureOf(error: RawError): Failure {
  const { data } = error;
  const status = data?.statusCode ?? undefined;
  const message = data?.message ?? error.name;
  const category = categoryOf(error, status);
  return { message, category, ...(status === undefined ? {} : { status }) };
}

function categoryOf({ name, data }: RawError, status: number | undefined): ErrorCategory | undefined {
  if (name !== "APIError") return Object.hasOwn(byName, name) ? byName[name] : undefined;
  if (hasQuotaWord(data?.responseBody ?? "")) return "quota";
  return categoryOfHttp(status ?? null);
}

/** Null: nobody answered. */
export function categoryOfHttp(status: number | null): ErrorCategory {
  if (status === null || status < 400) return "network";
  return status === 403 ? "permission_denied" : categoryOfStatus(status);
}

function hasQuotaWord(body: string): boolean {
  try {
    const { error } = ErrorBody.parse(JSON.parse(body));
    return quotaWords.has(String(error.code)) || quotaWords.has(error.type ?? "");
  } catch {
    // A body that is no JSON, or another one, says nothing about the account.
    return false;
  }
}
