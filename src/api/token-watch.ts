/** A request lasts no longer than the token that let it in. */
import type { FastifyInstance } from "fastify";
import type { LiveCalls } from "../access/live-calls.ts";
import type { Tokens } from "../access/tokens.ts";
import { AgentdError } from "../protocol/error.ts";
import { knownCaller } from "./guard.ts";

/** To be called behind the guard's own hook. Sockets of an upgrade are closed by those who opened them. */
export function watchTokens(app: FastifyInstance, { tokens, live }: { tokens: Tokens; live: LiveCalls }): void {
  app.addHook("onRequest", async (request, reply) => {
    const caller = knownCaller(request);
    // Whoever takes its own token away is still told that it did.
    if (!caller || request.ws || request.routeOptions.url?.startsWith("/tokens")) return;
    const { socket } = request.raw;
    reply.raw.once(
      "close",
      live.begin(caller, () => socket.destroy()),
    );
  });
  // A body may come slowly, and its sender be shut out meanwhile.
  app.addHook("preHandler", async (request) => {
    const caller = knownCaller(request);
    if (!caller || tokens.isGood(caller)) return;
    throw new AgentdError(
      "unauthorized",
      `The token "${caller.name}" was revoked or has expired while the request was on its way: use another`,
    );
  });
}
