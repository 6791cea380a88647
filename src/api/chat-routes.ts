/** Chats: create, talk, read back, change, delete. */
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import * as z from "zod";
import type { Chats, Sent } from "../chats/chats.ts";
import { type Imported, importedOf } from "../chats/imported.ts";
import type { Chat } from "../chats/state.ts";
import {
  type ChatAccepted,
  type ChatAttached,
  ChatChange,
  type ChatDeleted,
  ChatImportRequest,
  type ChatListed,
  ChatMessageRequest,
  type ChatMessages,
  ChatRequest,
  type ChatView,
  sentConfigOf,
} from "../protocol/chat.ts";
import { noteAbout } from "./audit-trail.ts";
import { bodyOf } from "./body.ts";
import { callerOf } from "./guard.ts";
import type { Idempotency, OnceOnly, Recalled } from "./idempotency.ts";
import { prefixOf } from "./mounted.ts";

interface ByName {
  Params: { name: string };
}

const messagesDefault = 100;
const messagesMax = 500;

export function chatRoutes(
  app: FastifyInstance,
  { chats, idempotency }: { chats: Chats; idempotency: Idempotency },
): void {
  app.get("/chats", async (): Promise<ChatListed[]> => chats.list());

  app.post("/chats", async (request, reply) => {
    const { name } = bodyOf(request, ChatRequest, "create a chat");
    noteAbout(request, { subject: name });
    const { status, body } = await idempotency.once(request, creation(chats, { name }, request));
    return reply.code(status).send(body);
  });

  app.post("/chats/import", async (request, reply) => {
    const imported = importedOf(bodyOf(request, ChatImportRequest, "import a chat"));
    noteAbout(request, { subject: imported.name });
    const { status, body } = await idempotency.once(request, creation(chats, imported, request));
    return reply.code(status).send(body);
  });

  app.get<ByName>("/chats/:name/export", async (request, reply) => {
    const lines = await chats.export(request.params.name);
    return reply
      .header("content-type", "application/x-ndjson; charset=utf-8")
      .send(Readable.from(lines, { objectMode: false }));
  });

  app.get<ByName>("/chats/:name", async (request) => viewOf(await chats.get(request.params.name), request));

  app.patch<ByName>("/chats/:name/config", async (request) => {
    const { name } = request.params;
    // Whether it may be changed at all is said before what is wrong with the change.
    const chat = await chats.change(name, () => {
      bodyOf(request, ChatChange, "change a chat");
      return sentConfigOf(request.body);
    });
    return viewOf(chat, request);
  });

  app.delete<ByName>("/chats/:name", async (request): Promise<ChatDeleted> => {
    const { remove_volume } = RemovalQuery.parse(request.query);
    await chats.remove(request.params.name, { withSessions: remove_volume === "true" });
    return { name: request.params.name, deleted: true };
  });

  app.get<ByName>("/chats/:name/messages", async (request): Promise<ChatMessages> => {
    const { limit, before } = MessagesQuery.parse(request.query);
    return chats.history(request.params.name, { limit, before });
  });

  app.post<ByName>("/chats/:name/messages", async (request, reply) => {
    const { message } = bodyOf(request, ChatMessageRequest, "take the message");
    const { status, body } = await idempotency.once(request, sending(chats, message, request));
    return reply.code(status).send(body);
  });

  app.post<ByName>("/chats/:name/attach", async (request): Promise<ChatAttached> => {
    const { name } = request.params;
    const asked = { sessionId: randomUUID(), by: callerOf(request).name };
    const { sessionId, isNew } = await chats.attach(name, asked);
    return {
      session_id: sessionId,
      state: "running",
      ...(isNew ? { spawned: true } : {}),
      ws_url: chatUrlOf(name, request),
    };
  });
}

export const RemovalQuery = z.looseObject({ remove_volume: z.enum(["true", "false"]).default("false") });

/** What is no number is as good as none, as the Go daemon has it. */
const Count = z
  .string()
  .regex(/^[1-9]\d{0,14}$/)
  .transform(Number)
  .optional()
  .catch(undefined);
export const MessagesQuery = z.looseObject({
  limit: Count.transform((count) => Math.min(count ?? messagesDefault, messagesMax)),
  before: Count,
});

function creation(
  chats: Chats,
  { name, ...said }: { name: string } & Partial<Imported>,
  request: FastifyRequest,
): OnceOnly<{ name: string }> {
  const { config, messages, conversation } = said;
  return {
    intent: { name },
    act: async (_intent, mark) => {
      const chat =
        config && messages
          ? await chats.import(name, { config, messages, conversation }, mark)
          : await chats.create(name, sentConfigOf(request.body), mark);
      return { status: 201, body: viewOf(chat, request) };
    },
    recall: async ({ mark }): Promise<Recalled> => {
      if (!(await chats.wasCreatedBy(name, mark))) return { was: "nothing" };
      return { was: "done", answer: { status: 201, body: viewOf(await chats.get(name), request) } };
    },
  };
}

const SendingIntent = z.object({ session_id: z.string() });
type SendingIntent = z.infer<typeof SendingIntent>;

/** The id of the message's session is chosen beforehand: by it the message is found again. */
function sending(chats: Chats, message: string, request: FastifyRequest): OnceOnly<SendingIntent> {
  const { name } = z.object({ name: z.string() }).parse(request.params);
  return {
    intent: { session_id: randomUUID() },
    act: async ({ session_id }) => {
      const sent = await chats.send(name, message, { sessionId: session_id, by: callerOf(request).name });
      return { status: 202, body: acceptedOf(name, sent, request) };
    },
    recall: async ({ intent }): Promise<Recalled> => {
      const sent = await chats.sent(name, SendingIntent.parse(intent).session_id);
      return sent
        ? { was: "done", answer: { status: 202, body: acceptedOf(name, sent, request) } }
        : { was: "nothing" };
    },
  };
}

function acceptedOf(name: string, { sessionId, next }: Sent, request: FastifyRequest): ChatAccepted {
  return {
    session_id: sessionId ?? next ?? "",
    state: "running",
    ...(next === undefined ? { spawned: true } : { queued: true, next_session: next }),
    ws_url: chatUrlOf(name, request),
  };
}

function viewOf({ view }: Chat, request: FastifyRequest): ChatView {
  return view.current_session === undefined ? view : { ...view, ws_url: chatUrlOf(view.name, request) };
}

function chatUrlOf(name: string, request: FastifyRequest): string {
  return `ws://${request.headers.host ?? "localhost"}${prefixOf(request.raw)}/ws/chats/${name}`;
}
