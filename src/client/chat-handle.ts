/** One chat, for who uses the client library. */
import type * as z from "zod";
import type { ChatConfig, ChatMessage, ChatMessages, ChatView } from "../protocol/chat.ts";
import type { DaemonAddress } from "./address.ts";
import { attachChat, changeChat, deleteChat, exportChat, findChat, getChat, readChat, sendToChat } from "./chats.ts";
import type { SessionHandle, TurnResult } from "./client.ts";
import { unlessMissing } from "./find-session.ts";
import { pause, withRetries } from "./retry.ts";
import { getSession } from "./sessions.ts";

/** What is asked of a new chat; see docs/chats.md. */
export interface NewChat {
  name: string;
  config: z.input<typeof ChatConfig>;
}

/** A message that was accepted. */
export interface SentMessage {
  /** The id of its session, which may still wait for the one before it. */
  readonly sessionId: string;
  readonly isQueued: boolean;
  /** Its session, once it has begun. Rejects with `session_not_found` when it could not be begun. */
  session(options?: { signal?: AbortSignal }): Promise<SessionHandle>;
  /** How it was answered, in whichever session: one that ends before its agent was given the message is followed by another. */
  result(options?: { signal?: AbortSignal }): Promise<TurnResult | undefined>;
}

/** Every call rejects with an AgentdError that carries the daemon's code, or DaemonUnreachable. */
export interface ChatHandle {
  readonly name: string;
  view(): Promise<ChatView>;
  /** Rejects with `chat_busy` while another message waits. */
  send(message: string): Promise<SentMessage>;
  /** The session that runs, or a new one to talk in. */
  attach(): Promise<SessionHandle>;
  /** The last messages, oldest first; `before` is that of a later page. */
  messages(page?: { limit?: number; before?: number }): Promise<ChatMessages>;
  /** All of them, oldest first. */
  history(): Promise<ChatMessage[]>;
  /** All of it as lines of JSON, for `client.chats.import`. */
  export(): Promise<string>;
  /** Only while nothing runs. */
  change(config: Partial<NewChat["config"]>): Promise<ChatView>;
  /** Ends it; `withSessions` takes its sessions off the list too. */
  delete(options?: { withSessions?: boolean }): Promise<void>;
}

/** How often it is asked whether a session has begun. */
const lookMs = 300;

export function chatHandle(address: DaemonAddress, name: string, sessionOf: (id: string) => SessionHandle): ChatHandle {
  const locate = async () => address;
  return {
    name,
    view: () => withRetries(() => getChat(address, name)),
    send: async (message) => {
      const key = crypto.randomUUID();
      const { session_id, next_session } = await withRetries(() => sendToChat(address, { name, message, key }));
      const sessionId = next_session ?? session_id;
      const session: SentMessage["session"] = async ({ signal } = {}) => {
        await untilBegun(locate, { name, sessionId }, signal);
        return sessionOf(sessionId);
      };
      const result: SentMessage["result"] = async (options = {}) => {
        for (let id = sessionId; ; ) {
          await untilBegun(locate, { name, sessionId: id }, options.signal);
          const { last } = await sessionOf(id).result(options);
          const heir = await heirOf(locate, { name, sessionId: id, status: last?.status }, options.signal);
          if (heir === undefined) return last;
          id = heir;
        }
      };
      return {
        sessionId,
        isQueued: next_session !== undefined,
        session,
        result,
      };
    },
    attach: async () => sessionOf((await withRetries(() => attachChat(address, name))).session_id),
    messages: (page = {}) => withRetries(() => readChat(address, { name, ...page })),
    history: () => wholeHistory(address, name),
    export: async () => (await withRetries(() => exportChat(address, name))).text(),
    change: (config) => withRetries(() => changeChat(address, { name, config })),
    delete: async ({ withSessions = false } = {}) => {
      await deleteChat(address, { name, withSessions });
    },
  };
}

interface OfChat {
  name: string;
  sessionId: string;
}
type Locate = () => Promise<DaemonAddress>;

/** Resolves when the session is there, or will never be: whoever asks for it then is told. */
export async function untilBegun(locate: Locate, { name, sessionId }: OfChat, signal?: AbortSignal): Promise<void> {
  while (!signal?.aborted) {
    if (await unlessMissing(withRetries(async () => getSession(await locate(), sessionId)))) return;
    const { next_session, session_chain } = await withRetries(async () => getChat(await locate(), name));
    if (next_session !== sessionId && !session_chain.includes(sessionId)) return;
    await pause(lookMs, signal);
  }
}

/**
 * The session into which the message of one that has ended went, because no agent had been given it; undefined when it ended as
 * sessions do. `status` is that of its turn, if it had any.
 */
export async function heirOf(
  locate: Locate,
  { name, sessionId, status }: OfChat & { status: string | undefined },
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (status !== undefined && status !== "aborted") return undefined;
  while (!signal?.aborted) {
    const chat = await withRetries(async () => findChat(await locate(), name));
    const heir = chat?.replaced_sessions?.[sessionId];
    if (heir !== undefined) return heir;
    // It has ended, and what becomes of its message is not decided yet.
    if (chat?.next_session !== sessionId && chat?.current_session !== sessionId) return undefined;
    await pause(lookMs, signal);
  }
  return undefined;
}

async function wholeHistory(address: DaemonAddress, name: string): Promise<ChatMessage[]> {
  const pages: ChatMessage[][] = [];
  for (let before: number | undefined; ; ) {
    const page = await withRetries(() => readChat(address, { name, limit: 500, before }));
    pages.unshift(page.messages);
    if (!page.has_more || page.before === undefined) return pages.flat();
    before = page.before;
  }
}
