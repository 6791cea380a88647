/** The WebSocket of a session: checks before the upgrade, then hands over to the bridge. */
import type { FastifyInstance } from "fastify";
import * as z from "zod";
import { openBridge } from "../bridge/bridge.ts";
import type { ClientRoom } from "../bridge/client-room.ts";
import { AgentdError } from "../protocol/error.ts";
import type { Session } from "../session/session.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { ClientSockets } from "./client-sockets.ts";

export interface AttachSocketOptions {
  supervisor: Supervisor;
  clientStallMs: number;
  room: ClientRoom;
  sockets: ClientSockets;
}

export const Since = z.looseObject({
  since: z
    .string()
    .regex(/^\d{1,15}$/)
    .optional()
    .catch(undefined),
});

export function attachSocket(app: FastifyInstance, options: AttachSocketOptions): void {
  const { supervisor, sockets, room, clientStallMs } = options;
  /** What an upgrade is for, found before it: from then on nothing may be awaited, or frames would be missed. */
  const sessions = new WeakMap<object, Session>();
  app.route<{ Params: { id: string } }>({
    method: "GET",
    url: "/ws/sessions/:id",
    // Before the upgrade, so that an unknown session is an ordinary 404.
    preValidation: async (request) => {
      sessions.set(request, (await supervisor.get(request.params.id)).session);
    },
    handler: () => {
      throw new AgentdError(
        "upgrade_required",
        "Cannot attach by plain HTTP: this is a WebSocket address. Use a WebSocket client, or poll /sessions/ID/logs",
      );
    },
    wsHandler: (socket, request) => {
      const session = sessions.get(request);
      if (!session) throw new Error("an upgrade was not looked into beforehand");
      const { since } = Since.parse(request.query);
      sockets.serve(socket, request, (client) => ({
        bridge: openBridge({
          session,
          since: since === undefined ? undefined : Number(since),
          clientStallMs,
          room,
          client,
        }),
        sessionId: () => session.id,
        say: async (kind, text) => {
          const conversation = await supervisor.conversationWith(session.id);
          return kind === "steer" ? conversation.steer(text) : conversation.prompt(text);
        },
        about: () => ({ session_id: session.id }),
        goesOn: (kept) => kept.has(session.id),
      }));
    },
  });
}
