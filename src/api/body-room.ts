/**
 * Each body is bounded, and so are connections; what they may hold together is bounded here. It is counted before it is
 * read, by what a request says of its length, until the request is answered.
 */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { AgentdError } from "../protocol/error.ts";

const bodiesBytesMax = 256 * 1024 * 1024;
const retrySeconds = 1;

export function boundBodies(app: FastifyInstance, { bodyBytesMax }: { bodyBytesMax: number }): void {
  // A single one has room, however large the operator lets them be.
  const heldMax = Math.max(bodiesBytesMax, bodyBytesMax);
  let held = 0;
  app.addHook("preParsing", async (request, reply) => {
    const bytes = Math.min(bytesOf(request, bodyBytesMax), bodyBytesMax);
    if (held + bytes > heldMax) throw tooMany(held);
    held += bytes;
    reply.raw.once("close", () => {
      held -= bytes;
    });
  });
}

/** One that does not say how long it is may be as long as any. */
function bytesOf({ headers }: FastifyRequest, bodyBytesMax: number): number {
  if (headers["transfer-encoding"] !== undefined) return bodyBytesMax;
  return Number(headers["content-length"] ?? 0);
}

function tooMany(held: number): AgentdError {
  return new AgentdError(
    "rate_limited",
    `Cannot read the body now: those of other requests take ${Math.round(held / 1024 / 1024)} MiB. Try again in ${retrySeconds} s`,
    { details: { retry_after: retrySeconds } },
  );
}
