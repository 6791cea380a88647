/** Named tokens, and tickets for those who cannot send one. */
import type { FastifyInstance } from "fastify";
import type { Tickets, TicketUse } from "../access/tickets.ts";
import type { Tokens } from "../access/tokens.ts";
import type { Chats } from "../chats/chats.ts";
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
  { tokens, tickets, supervisor, chats }: { tokens: Tokens; tickets: Tickets; supervisor: Supervisor; chats: Chats },
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
    const { session_id, chat, scope } = bodyOf(request, TicketRequest, "give a ticket");
    let use: TicketUse;
    if (session_id !== undefined) {
      // By name or id: whoever comes with the ticket says the same.
      const { session } = await supervisor.get(session_id);
      noteAbout(request, { session_id: session.id });
      use = { kind: "session", name: session_id };
    } else {
      const { view } = await chats.get(chat ?? "");
      noteAbout(request, { subject: view.name });
      use = { kind: "chat", name: view.name };
    }
    reply.code(201);
    return tickets.give(callerOf(request), { use, scope });
  });
}
