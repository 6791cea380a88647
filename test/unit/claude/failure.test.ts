import { expect, test } from "vitest";
import { categoryOf, type FailureFacts } from "../../../sidecar/claude/failure.ts";

const table: [FailureFacts, ReturnType<typeof categoryOf>][] = [
  [{ status: 401, word: "authentication_failed" }, "auth_error"],
  [{ word: "authentication_failed" }, "auth_error"],
  [{ status: 403, word: "authentication_failed" }, "permission_denied"],
  [{ status: 404, word: "model_not_found" }, "model_not_found"],
  [{ word: "model_not_found" }, "model_not_found"],
  [{ status: 429, word: "rate_limit" }, "rate_limit"],
  [{ status: 400, word: "billing_error" }, "quota"],
  [{ status: 402 }, "quota"],
  [{ status: 400, terminalReason: "prompt_too_long", word: "invalid_request" }, "context_exceeded"],
  [{ status: 400, word: "unknown" }, "invalid_request"],
  [{ status: 413 }, "invalid_request"],
  [{ status: 500, word: "server_error" }, "upstream_api_error"],
  [{ status: 529, word: "overloaded" }, "upstream_api_error"],
  [{ word: "overloaded" }, "upstream_api_error"],
  [{ status: null, word: "unknown" }, "network"],
  [{ status: null, word: "server_error" }, "network"],
  [{ word: "unknown" }, undefined],
  [{ word: "toString" }, undefined],
  [{}, undefined],
];

test.each(table)("%j is %s", (facts, category) => {
  expect(categoryOf(facts)).toBe(category);
});
