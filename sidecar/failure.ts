/** Why a call of the model failed, as every harness says it. Pure. */
import { type ErrorCategory, type EventOf, isRetryable } from "../src/protocol/event.ts";

export interface Failure {
  message: string;
  category: ErrorCategory | undefined;
  status?: number | null | undefined;
}

/** The HTTP status with which a model service refused. */
export function categoryOfStatus(status: number): ErrorCategory {
  if (status >= 500) return "upstream_api_error";
  switch (status) {
    case 401:
      return "auth_error";
    case 404:
      return "model_not_found";
    case 429:
      return "rate_limit";
    case 402:
      return "quota";
    case 408:
      return "upstream_api_error";
    default:
      return "invalid_request";
  }
}

export function errorEvent(failure: Failure, turnId: string | undefined): EventOf<"error"> {
  const { category, status } = failure;
  return {
    type: "error",
    data: {
      code: "agent_failed",
      message: failure.message,
      ...(typeof status === "number" ? { http_status: status } : {}),
      ...(category === undefined ? {} : { error_category: category }),
      retryable: category === undefined ? false : isRetryable[category],
      ...(turnId === undefined ? {} : { turn_id: turnId }),
    },
  };
}
