/** The body of a request that needs one. */
import type { FastifyRequest } from "fastify";
import type * as z from "zod";
import { AgentdError } from "../protocol/error.ts";

/** `act` is what the caller wanted, such as `create a session`. */
export function bodyOf<T>(request: FastifyRequest, schema: z.ZodType<T>, act: string): T {
  if (request.body === undefined || request.body === null) {
    throw new AgentdError(
      "invalid_request",
      `Cannot ${act}: the request has no body. Send a JSON object, with the header "Content-Type: application/json"`,
    );
  }
  return schema.parse(request.body);
}
