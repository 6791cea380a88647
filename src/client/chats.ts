/** The daemon's routes of chats as functions. */
import * as z from "zod";
import {
  ChatAccepted,
  ChatAttached,
  ChatDeleted,
  type ChatImportRequest,
  ChatListed,
  ChatMessages,
  type ChatRequest,
  ChatView,
} from "../protocol/chat.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError } from "../protocol/error.ts";
import type { DaemonAddress } from "./address.ts";
import { callDaemon, openCall } from "./http.ts";

/** With `key`, sending it again gives the first answer. */
export function createChat(
  address: DaemonAddress,
  chat: { name: string; config: unknown },
  { key }: { key: string },
): Promise<ChatView> {
  const headers = { "idempotency-key": key };
  const body: z.input<typeof ChatRequest> = { name: chat.name, config: chat.config };
  return callDaemon(address, { method: "POST", path: "/chats", body, headers }, ChatView);
}

/** The chat as `importChat` takes it: a line for itself, and one for each message. */
export async function exportChat(address: DaemonAddress, name: string): Promise<Response> {
  return openCall(address, { path: `${chatPath(name)}/export` });
}

export function importChat(
  address: DaemonAddress,
  imported: z.input<typeof ChatImportRequest>,
  { key }: { key: string },
): Promise<ChatView> {
  const headers = { "idempotency-key": key };
  return callDaemon(address, { method: "POST", path: "/chats/import", body: imported, headers }, ChatView);
}

export function listChats(address: DaemonAddress): Promise<ChatListed[]> {
  return callDaemon(address, { path: "/chats" }, z.array(ChatListed));
}

export function getChat(address: DaemonAddress, name: string): Promise<ChatView> {
  return callDaemon(address, { path: chatPath(name) }, ChatView);
}

/** Undefined when there is no such chat, or the daemon knows none. */
export async function findChat(address: DaemonAddress, name: string): Promise<ChatView | undefined> {
  try {
    return await getChat(address, name);
  } catch (error) {
    if (error instanceof AgentdError && (error.code === "chat_not_found" || error.code === "not_found"))
      return undefined;
    throw error;
  }
}

/** The same `key` twice is said once, so a broken connection may be tried again. */
export function sendToChat(
  address: DaemonAddress,
  { name, message, key }: { name: string; message: string; key: string },
): Promise<ChatAccepted> {
  const headers = { "idempotency-key": key };
  const path = `${chatPath(name)}/messages`;
  return callDaemon(address, { method: "POST", path, body: { message }, headers }, ChatAccepted);
}

export function attachChat(address: DaemonAddress, name: string): Promise<ChatAttached> {
  return callDaemon(address, { method: "POST", path: `${chatPath(name)}/attach` }, ChatAttached);
}

export function readChat(
  address: DaemonAddress,
  { name, limit, before }: { name: string; limit?: number | undefined; before?: number | undefined },
): Promise<ChatMessages> {
  const query = new URLSearchParams(defined({ limit: limit?.toString(), before: before?.toString() }));
  return callDaemon(address, { path: `${chatPath(name)}/messages?${query}` }, ChatMessages);
}

export function changeChat(
  address: DaemonAddress,
  { name, config }: { name: string; config: unknown },
): Promise<ChatView> {
  return callDaemon(address, { method: "PATCH", path: `${chatPath(name)}/config`, body: { config } }, ChatView);
}

export function deleteChat(
  address: DaemonAddress,
  { name, withSessions }: { name: string; withSessions: boolean },
): Promise<ChatDeleted> {
  const query = withSessions ? "?remove_volume=true" : "";
  return callDaemon(address, { method: "DELETE", path: `${chatPath(name)}${query}` }, ChatDeleted);
}

function chatPath(name: string): string {
  return `/chats/${encodeURIComponent(name)}`;
}
