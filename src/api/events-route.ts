/** The log as server-sent events, for curl, the client library and whoever reads such. */
import type { FastifyInstance } from "fastify";
import * as z from "zod";
import type { ClientRoom } from "../bridge/client-room.ts";
import { linesOf, nextLineStart } from "../bridge/lines.ts";
import { AgentdError } from "../protocol/error.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { sendEvents } from "./sse.ts";

const Offset = z.string().regex(/^\d{1,15}$/);
export const EventsQuery = z.looseObject({ since: Offset.optional() });

export interface StreamRouteOptions {
  supervisor: Supervisor;
  clientStallMs: number;
  room: ClientRoom;
  /** Told that a client has come, and how to learn how far it is behind; the answer is called when it has gone. */
  onClient(lagBytes: () => number): () => void;
}

export function eventsRoute(app: FastifyInstance, options: StreamRouteOptions): void {
  app.get<{ Params: { id: string } }>("/sessions/:id/events", async (request, reply) => {
    const { session } = await options.supervisor.get(request.params.id);
    const query = EventsQuery.safeParse(request.query);
    if (!query.success)
      throw new AgentdError("invalid_cursor", "invalid since: it must be a whole number, an offset in bytes");
    // A browser that connects again says by itself how far it has come.
    const last = Offset.safeParse(request.headers["last-event-id"]);
    const since = last.data ?? query.data.since;
    const from = since === undefined ? session.end : await nextLineStart(session, Number(since));
    // The one answer after which EventSource does not ask again.
    if (last.success && session.isSealed && from >= session.end) return reply.code(204).send();
    return sendEvents(reply, {
      ...options,
      session,
      from,
      opening: `retry: 1000\nid: ${from}\n\n`,
      render: (portion, at) => eventsOf(portion, at.from),
    });
  });
}

/** One event a line; its id is the offset after it, so that a reader that comes again goes on behind it. */
function eventsOf(portion: Buffer, from: number): string {
  const events: string[] = [];
  for (const { line, end } of linesOf(portion, from)) events.push(`id: ${end}\ndata: ${line.toString("utf8")}\n\n`);
  return events.join("");
}
