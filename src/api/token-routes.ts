/** Named tokens, and tickets for those who cannot send one. */
import type { FastifyInstance } from "fastify";
import type { Tickets } from "../access/tickets.ts";
import type { Tokens } from "../access/tokens.ts";
import {
  type TicketCreated,
  TicketRequest,
  type TokenCreated,
  TokenRequest,
  type TokenView,
} from "../protocol/access.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { noteAbout } from "./audit-trail.ts";
import { bodyOf } from "./body.ts";
import { callerOf } from "./guard.ts";

interface ByName {
  Params: { name: string };
}

export function tokenRoutes(
  app: FastifyInstance,
  { tokens, tickets, supervisor }: { tokens: Tokens; tickets: Tickets; supervisor: Supervisor },
): void {
  app.get("/tokens", async (): Promise<TokenView[]> => tokens.list());

  app.post("/tokens", async (request, reply): Promise<TokenCreated> => {
    const wanted = bodyOf(request, TokenRequest, "create a token");
    noteAbout(request, { subject: wanted.name });
    const created = await tokens.create(wanted);
    reply.code(201);
    return created;
  });

  app.post<ByName>(
    "/tokens/:name/rotate",
    async (request): Promise<TokenCreated> => tokens.rotate(request.params.name),
  );

  app.delete<ByName>("/tokens/:name", async (request) => {
    await tokens.revoke(request.params.name);
    return { name: request.params.name, status: "revoked" };
  });

  app.post("/tickets", async (request, reply): Promise<TicketCreated> => {
    const { session_id, scope } = bodyOf(request, TicketRequest, "give a ticket");
    // By name or id: whoever comes with the ticket says the same.
    const { session } = await supervisor.get(session_id);
    noteAbout(request, { session_id: session.id });
    reply.code(201);
    return tickets.give(callerOf(request), { session: session_id, scope });
  });
}
