/** An error answer of the daemon → AgentdError. Tolerant: an older daemon sends free text. */
import * as z from "zod";
import { AgentdError, type ErrorCode, errorStatus } from "../protocol/error.ts";

const Body = z.looseObject({ error: z.string(), message: z.string().optional() });

export function readErrorAnswer(status: number, text: string): AgentdError {
  const body = Body.safeParse(parseJson(text));
  if (!body.success)
    return new AgentdError("internal", `The daemon answered ${status}: ${text.slice(0, 500) || "(nothing)"}`);
  const { error, message, ...details } = body.data;
  if (isErrorCode(error)) return new AgentdError(error, message ?? error, { details });
  return new AgentdError(status === 404 ? "not_found" : "internal", message ?? error, {
    details: { ...details, status },
  });
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorStatus, text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
