/** The routes of chats, for the description of the API. */
import * as z from "zod";
import {
  ChatAccepted,
  ChatAttached,
  ChatChange,
  ChatDeleted,
  ChatImportRequest,
  ChatListed,
  ChatMessageRequest,
  ChatMessages,
  ChatRequest,
  ChatView,
} from "../../protocol/chat.ts";
import { MessagesQuery, RemovalQuery } from "../chat-routes.ts";
import { ChatSocketQuery } from "../chat-socket.ts";
import type { Operation } from "./operations.ts";

export const chatOperations: Readonly<Record<string, Operation>> = {
  "GET /chats": {
    summary: "Lists all chats, oldest first",
    tag: "chats",
    answers: { 200: { means: "All of them", body: z.array(ChatListed) } },
  },
  "POST /chats": {
    summary: "Makes a chat; what its sessions will be asked for with is checked now",
    tag: "chats",
    body: ChatRequest,
    isKeyed: true,
    answers: { 201: { means: "The chat", body: ChatView } },
  },
  "POST /chats/import": {
    summary: "Makes a chat of what an export gave, here or elsewhere",
    tag: "chats",
    body: ChatImportRequest,
    isKeyed: true,
    answers: { 201: { means: "The chat", body: ChatView } },
  },
  "GET /chats/:name": {
    summary: "One chat, its sessions and whether it runs; without the keys in its configuration",
    tag: "chats",
    answers: { 200: { means: "The chat", body: ChatView } },
  },
  "GET /chats/:name/export": {
    summary: "The chat as lines of JSON: itself, and everything that was said in it",
    tag: "chats",
    answers: { 200: { means: "A line for the chat and one for each message", body: { type: "application/x-ndjson" } } },
  },
  "GET /chats/:name/messages": {
    summary: "What was said last, or before a place in the chat",
    tag: "chats",
    query: MessagesQuery,
    answers: { 200: { means: "A page, oldest first", body: ChatMessages } },
  },
  "POST /chats/:name/messages": {
    summary: "Says something: a session is begun for it, or it waits for the one that runs",
    tag: "chats",
    body: ChatMessageRequest,
    isKeyed: true,
    answers: { 202: { means: "It is on disk, and will be done once", body: ChatAccepted } },
  },
  "POST /chats/:name/attach": {
    summary: "The session that runs, or a new one to talk in",
    tag: "chats",
    answers: { 200: { means: "The session", body: ChatAttached } },
  },
  "PATCH /chats/:name/config": {
    summary: "Replaces what is named of the configuration, while nothing runs",
    tag: "chats",
    body: ChatChange,
    answers: { 200: { means: "The chat", body: ChatView } },
  },
  "DELETE /chats/:name": {
    summary: "Ends what runs in it and forgets it; with `remove_volume` its sessions are deleted too",
    tag: "chats",
    query: RemovalQuery,
    answers: { 200: { means: "It is gone", body: ChatDeleted } },
  },
  "GET /ws/chats/:name": {
    summary: "Follows a chat from session to session, and speaks to it",
    tag: "chats",
    query: ChatSocketQuery,
    answers: { 101: { means: "From here on frames: ClientFrame to the daemon, ServerFrame from it" } },
  },
};
