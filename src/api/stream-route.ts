/**
 * The log as a durable stream: the read side of the Durable Streams protocol (github.com/durable-streams, PROTOCOL.md
 * 1.0) in its JSON mode, where a log line is a message. Clients of that protocol follow a session without knowing us.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import * as z from "zod";
import { isLineStart, linesOf, nextLines, untilPast } from "../bridge/lines.ts";
import { AgentdError } from "../protocol/error.ts";
import { firstIssue } from "../protocol/first-issue.ts";
import { isJsonText } from "../protocol/json-text.ts";
import type { Session } from "../session/session.ts";
import type { StreamRouteOptions } from "./events-route.ts";
import { sendEvents } from "./sse.ts";

const longPollMs = 30_000;
/** Readers come again after that, by the protocol's advice, so that caches on the way may gather them. */
const sseLifeMs = 60_000;

export const StreamQuery = z.looseObject({
  offset: z
    .union([z.literal(["-1", "now"]), z.string().regex(/^\d{1,16}$/)], {
      error: "expected -1 (the beginning), now, or an offset that was given out here",
    })
    .optional(),
  live: z.enum(["long-poll", "sse"], { error: "expected long-poll or sse" }).optional(),
  cursor: z.string().optional(),
});

interface ById {
  Params: { id: string };
}

export function streamRoute(app: FastifyInstance, options: StreamRouteOptions): void {
  const { supervisor } = options;
  app.head<ById>("/sessions/:id/stream", async (request, reply) => {
    const { session } = await supervisor.get(request.params.id);
    return withPosition(reply, session, session.end).header("content-type", "application/json").send();
  });

  app.get<ById>("/sessions/:id/stream", async (request, reply) => {
    const { session } = await supervisor.get(request.params.id);
    const { live, cursor, from, isTail } = await parse(request, session);
    if (live === "sse") return sendLive(reply, { session, from, cursor, options });
    if (live === "long-poll") {
      reply.header("Stream-Cursor", nextCursor(cursor));
      await untilPast(session, from, { ms: longPollMs, signal: goneSignal(reply) });
      if (session.end <= from) return withPosition(reply, session, from).code(204).send();
    }
    const portion =
      isTail && live === undefined
        ? Buffer.alloc(0)
        : await nextLines(session, { from, to: session.end, bytesMax: options.room.share });
    const to = from + portion.length;
    const tag = `"${session.id}:${from}:${to}${session.isSealed ? ":closed" : ""}"`;
    withPosition(reply, session, to);
    if (!isTail) {
      reply.header("etag", tag).header("cache-control", "private, no-cache");
      if (request.headers["if-none-match"] === tag) return reply.code(304).send();
    }
    return reply.header("content-type", "application/json").send(`[${messagesOf(session, portion, from)}]`);
  });
}

async function parse(request: FastifyRequest, session: Session) {
  const query = StreamQuery.safeParse(request.query);
  if (!query.success) throw new AgentdError("invalid_cursor", `Cannot read the stream: ${firstIssue(query.error)}`);
  const { offset, live, cursor } = query.data;
  if (live !== undefined && offset === undefined)
    throw new AgentdError(
      "invalid_cursor",
      `Cannot follow the stream by ${live} without an offset: -1 is its beginning`,
    );
  const isTail = offset === "now";
  const from = isTail ? session.end : offset === undefined || offset === "-1" ? session.start : Number(offset);
  if (from > session.end || !(await isLineStart(session, from)))
    throw new AgentdError("invalid_cursor", `Cannot read the stream from offset ${offset}: it was not given out here`);
  return { live, cursor, from, isTail };
}

function sendLive(
  reply: FastifyReply,
  at: { session: Session; from: number; cursor: string | undefined; options: StreamRouteOptions },
): FastifyReply {
  const { session, from } = at;
  const cursor = nextCursor(at.cursor);
  const control = (to: number) => {
    const isAtEnd = to >= session.end;
    const said = {
      streamNextOffset: token(to),
      ...(isAtEnd ? { upToDate: true } : {}),
      // Who has all of it does not come again, and needs no cursor.
      ...(isAtEnd && session.isSealed ? { streamClosed: true } : { streamCursor: cursor }),
    };
    // No space behind the colon: those who test servers of this protocol look for it as its text prints it.
    return `event: control\ndata:${JSON.stringify(said)}\n\n`;
  };
  return sendEvents(reply, {
    ...at.options,
    session,
    from,
    opening: from >= session.end ? control(from) : ": \n\n",
    render: (portion, { from, to }) => `event: data\ndata:[${messagesOf(session, portion, from)}]\n\n${control(to)}`,
    closing: control,
    lifeMs: sseLifeMs,
  });
}

function withPosition(reply: FastifyReply, session: Session, to: number): FastifyReply {
  reply.header("Stream-Next-Offset", token(to)).header("cache-control", "no-store");
  reply.header("x-content-type-options", "nosniff");
  if (to < session.end) return reply;
  reply.header("Stream-Up-To-Date", "true");
  return session.isSealed ? reply.header("Stream-Closed", "true") : reply;
}

/** The protocol compares offsets as texts. */
function token(offset: number): string {
  return String(offset).padStart(16, "0");
}

/**
 * One line that is no JSON would make none of the whole answer, so it is left out. Each is looked at by itself, which costs no
 * more than all as one: two broken lines may be JSON together.
 */
function messagesOf(session: Session, portion: Buffer, from: number): string {
  const messages: string[] = [];
  for (const { line, end } of linesOf(portion, from)) {
    const text = line.toString("utf8");
    if (isJsonText(text)) messages.push(text);
    else session.passedOver(end - 1 - line.length);
  }
  return messages.join(",");
}

/** From which the protocol counts, and in what steps, so that answers are not cached for ever. */
const cursorEpochMs = Date.UTC(2024, 9, 9);
const cursorStepMs = 20_000;

/** Never one that the client has had. */
function nextCursor(given: string | undefined): string {
  const now = Math.floor((Date.now() - cursorEpochMs) / cursorStepMs);
  const had = Number(given ?? -1);
  return String(Number.isSafeInteger(had) && had >= now ? had + 1 + Math.floor(Math.random() * 180) : now);
}

function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.on("close", () => gone.abort());
  return gone.signal;
}
