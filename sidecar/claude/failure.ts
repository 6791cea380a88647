/** Why a call of the model failed, from the facts the CLI gives beside its prose. Pure. */
import type { ErrorCategory } from "../../src/protocol/event.ts";
import { categoryOfStatus } from "../failure.ts";

export interface FailureFacts {
  /** `assistant.error` or the `error` of a retry. */
  word?: string | null | undefined;
  /** HTTP status; null when there was no answer at all. */
  status?: number | null | undefined;
  terminalReason?: string | null | undefined;
}

export const byWord: Readonly<Record<string, ErrorCategory>> = {
  billing_error: "quota",
  model_not_found: "model_not_found",
  authentication_failed: "auth_error",
  rate_limit: "rate_limit",
  overloaded: "upstream_api_error",
  invalid_request: "invalid_request",
};

export function categoryOf({ word, status, terminalReason }: FailureFacts): ErrorCategory | undefined {
  if (terminalReason === "prompt_too_long") return "context_exceeded";
  // A 403 comes with the word authentication_failed and a low credit with a 400, so these two go before both tables.
  if (status === 403) return "permission_denied";
  if (word === "billing_error") return "quota";
  if (typeof status === "number") return categoryOfStatus(status);
  if (word && Object.hasOwn(byWord, word)) return byWord[word];
  // No status: nobody answered. `unknown` is the word of a retry, `server_error` of the end of all retries.
  if (word === "server_error" || (word === "unknown" && status === null)) return "network";
  return undefined;
}
