/** The WebSocket of a chat: its sessions one after the other, and what is said to it. */
import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import * as z from "zod";
import type { ClientRoom } from "../bridge/client-room.ts";
import { openRelay, type Relay } from "../bridge/relay.ts";
import type { Chats } from "../chats/chats.ts";
import { AgentdError } from "../protocol/error.ts";
import type { Session } from "../session/session.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { Since } from "./attach-socket.ts";
import type { ClientSockets, Served } from "./client-sockets.ts";
import { callerOf } from "./guard.ts";

export interface ChatSocketOptions {
  chats: Chats;
  supervisor: Supervisor;
  clientStallMs: number;
  room: ClientRoom;
  sockets: ClientSockets;
}

/** `session`: where in the chain it begins, or `next` for what comes. */
export const ChatSocketQuery = Since.extend({ session: z.string().max(100).optional() });

export function chatSocket(app: FastifyInstance, options: ChatSocketOptions): void {
  const { sockets, room, clientStallMs } = options;
  /** What an upgrade is for, found before it. */
  const starts = new WeakMap<object, Start>();
  app.route<{ Params: { name: string } }>({
    method: "GET",
    url: "/ws/chats/:name",
    preValidation: async (request) => {
      starts.set(request, await startOf(options, request.params.name, ChatSocketQuery.parse(request.query).session));
    },
    handler: () => {
      throw new AgentdError(
        "upgrade_required",
        "Cannot attach to a chat by plain HTTP: this is a WebSocket address. Use a WebSocket client, or GET /chats/NAME/messages",
      );
    },
    wsHandler: (socket, request) => {
      const start = starts.get(request);
      if (!start) throw new Error("an upgrade was not looked into beforehand");
      const { since } = ChatSocketQuery.parse(request.query);
      sockets.serve(socket, request, (client) => {
        const from = since === undefined ? undefined : Number(since);
        const find = async (id: string) => (await options.supervisor.find(id))?.session;
        const { first, later } = start;
        const relay = openRelay({ client, room, clientStallMs, first, later, find, since: from });
        return served(options, request, { relay, running: start.running });
      });
    },
  });
}

interface Start {
  first: Session | undefined;
  /** Those behind it. */
  later: readonly string[];
  /** The one that ran when the client came. */
  running: string | undefined;
}

async function startOf(
  { chats, supervisor }: ChatSocketOptions,
  name: string,
  session: string | undefined,
): Promise<Start> {
  const current = await chats.current(name);
  const running = current?.id;
  if (session === "next") return { first: undefined, later: [], running };
  if (session !== undefined) {
    const [begin = session, ...later] = await chats.chainFrom(name, session);
    return { first: (await supervisor.find(begin))?.session, later, running };
  }
  if (current) return { first: current, later: [], running };
  const { state } = (await chats.get(name)).view;
  throw new AgentdError(
    "chat_not_running",
    `chat is not running: "${name}" is ${state}. Send it a message first, or connect with session=next to see what comes`,
    { details: { state } },
  );
}

function served(
  { chats, supervisor }: ChatSocketOptions,
  request: FastifyRequest<{ Params: { name: string } }>,
  { relay, running }: { relay: Relay; running: string | undefined },
): Served {
  const { name } = request.params;
  const by = callerOf(request).name;
  const unfollow = chats.follow(name, {
    onSession: relay.show,
    onGone: () => relay.end("the chat was deleted"),
  });
  // One that was begun while the connection was made.
  chats.current(name).then(
    (current) => current && current.id !== running && relay.show(current),
    () => relay.end("the chat was deleted"),
  );
  const sessionId = () => {
    if (relay.session) return relay.session.id;
    throw new AgentdError("chat_not_running", `chat is not running: "${name}" has no session yet. Send it a message`);
  };
  return {
    bridge: relay,
    sessionId,
    say: async (kind, text) => {
      if (kind === "steer") return (await supervisor.conversationWith(sessionId())).steer(text);
      const { next, sessionId: begun } = await chats.send(name, text, { sessionId: randomUUID(), by });
      return { turnId: "t1", position: next === undefined ? 0 : 1, sessionId: next ?? begun };
    },
    about: () => ({ subject: name, ...(relay.session ? { session_id: relay.session.id } : {}) }),
    // The chat is there for the next daemon.
    goesOn: () => true,
    onClose: unfollow,
  };
}
