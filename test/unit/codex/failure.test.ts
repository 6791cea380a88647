import { expect, test } from "vitest";
import { failureOf } from "../../../sidecar/codex/failure.ts";

test.each([
  [{ httpConnectionFailed: { httpStatusCode: 401 } }, "auth_error"],
  [{ httpConnectionFailed: { httpStatusCode: 403 } }, "permission_denied"],
  [{ httpConnectionFailed: { httpStatusCode: null } }, "network"],
  [{ responseTooManyFailedAttempts: { httpStatusCode: 429 } }, "rate_limit"],
  [{ responseStreamConnectionFailed: { httpStatusCode: 502 } }, "upstream_api_error"],
  ["modelNotFound", "model_not_found"],
  ["usageLimitExceeded", "quota"],
  ["sessionBudgetExceeded", "quota"],
  ["rateLimitExceeded", "rate_limit"],
  ["serverOverloaded", "upstream_api_error"],
  ["internalServerError", "upstream_api_error"],
  ["contextWindowExceeded", "context_exceeded"],
  ["unauthorized", "auth_error"],
  ["badRequest", "invalid_request"],
  ["other", undefined],
  ["aWordOfANewerCodex", undefined],
  [{ aShapeOfANewerCodex: 1 }, undefined],
  [null, undefined],
])("%j is %s", (codexErrorInfo, category) => {
  expect(failureOf({ message: "in words", codexErrorInfo }, undefined).category).toBe(category);
});

test("the last word after dropped streams is what the retries said", () => {
  const noted = { message: "dropped", category: "network" as const, status: null };
  expect(failureOf({ message: "stream disconnected", codexErrorInfo: "other" }, noted)).toEqual({
    message: "stream disconnected",
    category: "network",
    status: null,
  });
});

test("a refused request is told by the service's own error body, and never by prose", () => {
  const body = JSON.stringify({ error: { type: "invalid_request_error", message: "no" } });
  expect(failureOf({ message: body, codexErrorInfo: "other" }, undefined).category).toBe("invalid_request");
  const prose = "unexpected status 401 Unauthorized: invalid_request_error";
  expect(failureOf({ message: prose, codexErrorInfo: "other" }, undefined).category).toBeUndefined();
});
