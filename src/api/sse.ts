/** A body of server-sent events that follows a log: sends when there is something, breathes when there is nothing. */
import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { ClientAccount, ClientRoom } from "../bridge/client-room.ts";
import { nextLines, untilPast } from "../bridge/lines.ts";
import type { Session } from "../session/session.ts";

export interface SseOptions {
  session: Session;
  from: number;
  /** One portion of whole lines as events; `to` is the offset after it. */
  render(portion: Buffer, at: { from: number; to: number }): string;
  /** Sent before the first portion. */
  opening: string;
  /** Sent when the body ends by itself at this offset. */
  closing?(at: number): string;
  /** Ends the body after so long, so that readers behind caches come again; undefined lets it go on. */
  lifeMs?: number;
  clientStallMs: number;
  room: ClientRoom;
  /** Told that a client has come, and how to learn how far it is behind; the answer is called when it has gone. */
  onClient(lagBytes: () => number): () => void;
}

/** Proxies on the way close what is silent for long. */
const breathMs = 15_000;

export function sendEvents(reply: FastifyReply, options: SseOptions): FastifyReply {
  const gone = new AbortController();
  const position = { cursor: options.from };
  const leave = options.onClient(() => options.session.end - position.cursor);
  const account = options.room.open();
  reply.raw.on("close", () => {
    gone.abort();
    account.close();
    leave();
  });
  const body = Readable.from(events(reply, { ...options, account }, position, gone.signal), { objectMode: false });
  return (
    reply
      // Always UTF-8, so no charset: the Durable Streams protocol compares the name alone.
      .header("content-type", "text/event-stream")
      // The first word is what that protocol asks for; the second is what is meant.
      .header("cache-control", "no-cache, no-store")
      .header("x-content-type-options", "nosniff")
      // Some reverse proxies would gather the events otherwise.
      .header("x-accel-buffering", "no")
      .send(body)
  );
}

async function* events(
  reply: FastifyReply,
  options: SseOptions & { account: ClientAccount },
  position: { cursor: number },
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { session, account } = options;
  const endsAt = options.lifeMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + options.lifeMs;
  yield options.opening;
  while (!signal.aborted) {
    const to = session.end;
    if (position.cursor >= to) {
      if (session.isSealed || performance.now() >= endsAt) {
        if (options.closing) yield options.closing(position.cursor);
        return;
      }
      await untilPast(session, position.cursor, { ms: Math.min(breathMs, endsAt - performance.now()), signal });
      if (session.end <= position.cursor && !session.isSealed) yield ": \n\n";
      continue;
    }
    const portion = await nextLines(session, { from: position.cursor, to, bytesMax: options.room.share });
    const from = position.cursor;
    position.cursor += portion.length;
    const stopWatch = watchStall(reply, options.clientStallMs);
    try {
      const rendered = options.render(portion, { from, to: position.cursor });
      account.note(rendered.length);
      // Comes back when the client has taken most of what came before.
      yield rendered;
    } finally {
      account.note(0);
      stopWatch();
    }
  }
}

/** Cuts off a client that takes nothing for so long. One that takes a large portion slowly is left alone. */
function watchStall(reply: FastifyReply, clientStallMs: number): () => void {
  let waitingBytes = Number.POSITIVE_INFINITY;
  let since = performance.now();
  const look = () => {
    const left = reply.raw.socket?.writableLength ?? 0;
    if (left < waitingBytes) since = performance.now();
    waitingBytes = left;
    if (performance.now() - since >= clientStallMs) reply.raw.destroy();
  };
  const timer = setInterval(look, Math.max(100, clientStallMs / 8));
  return () => clearInterval(timer);
}
