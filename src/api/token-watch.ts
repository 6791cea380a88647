/** A request lasts no longer than the token that let it in. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { LiveCalls } from "../access/live-calls.ts";
import type { Tokens } from "../access/tokens.ts";
import { AgentdError } from "../protocol/error.ts";
import { knownCaller } from "./guard.ts";

/** To be called behind all other hooks. Sockets of an upgrade are closed by those who opened them. */
export function watchTokens(app: FastifyInstance, { tokens, live }: { tokens: Tokens; live: LiveCalls }): void {
  const watched = new WeakMap<FastifyRequest, () => void>();
  app.addHook("onRequest", async (request, reply) => {
    const caller = knownCaller(request);
    if (!caller || request.ws) return;
    const { socket } = request.raw;
    const forget = live.begin(caller, () => socket.destroy());
    watched.set(request, forget);
    reply.raw.once("close", forget);
  });
  // The last look before anything is done.
  app.addHook("preHandler", async (request) => {
    const caller = knownCaller(request);
    if (!caller) return;
    if (!tokens.isGood(caller))
      throw new AgentdError(
        "unauthorized",
        `The token "${caller.name}" was revoked or has expired while the request was on its way: use another`,
      );
    // Whoever takes its own token away is still told that it did.
    if (request.routeOptions.url?.startsWith("/tokens")) watched.get(request)?.();
  });
}
