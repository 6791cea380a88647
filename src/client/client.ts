/**
 * The client library, `agentruntime/client`: sessions of a daemon as objects, their events as an iteration. It runs
 * wherever there is `fetch`, and imports nothing of the daemon but the words of the protocol.
 *
 *     const client = createClient({ url: "http://127.0.0.1:8090", token });
 *     const session = await client.sessions.create({ agent: "claude", prompt: "Explain this repository" });
 *     for await (const event of session.events()) console.log(event.type, event.data);
 */
import type { Image } from "../protocol/agent-options.ts";
import type { ChatListed, ChatView } from "../protocol/chat.ts";
import type { ContextItem, InputAnswer, MentionItem } from "../protocol/command.ts";
import { AgentdError } from "../protocol/error.ts";
import type { EventOf } from "../protocol/event.ts";
import type { AgentView, Health, SessionChange, SessionView } from "../protocol/http.ts";
import { type DaemonAddress, DaemonUnreachable } from "./address.ts";
import { listAgents } from "./agents.ts";
import { type ChatHandle, chatHandle, type NewChat } from "./chat-handle.ts";
import { createChat, importChat, listChats } from "./chats.ts";
import { type EventStreamOptions, readEvents, type SessionEvent } from "./event-stream.ts";
import { withRetries } from "./retry.ts";
import {
  addContext,
  addMention,
  answerInput,
  changeSession,
  createSession,
  deleteSession,
  getHealth,
  getSession,
  interruptSession,
  listSessions,
  type SessionFilter,
  say,
  stopSession,
  withdrawPrompt,
} from "./sessions.ts";

export type { ChatHandle, ChatListed, ChatView, EventStreamOptions, NewChat, SessionEvent, SessionFilter };
export { AgentdError, DaemonUnreachable };

/** What a turn came to: the data of its `result` event. */
export type TurnResult = EventOf<"result">["data"];

/** What is asked of a new session; see docs/protocol.md. */
export type NewSession = Parameters<typeof createSession>[1];

export interface ClientOptions {
  /** `http://host:port` of the daemon. */
  url: string;
  /** What `agentd token` prints; leave it out for a daemon that runs with --no-auth. */
  token?: string;
}

export interface Client {
  health(): Promise<Health>;
  /** The daemon's agents; with `workDir` those that this folder defines as well. */
  agents(workDir?: string): Promise<AgentView[]>;
  readonly sessions: {
    /** Starts a session. Tried again while the daemon is away; it is started once all the same. */
    create(request: NewSession): Promise<SessionHandle>;
    list(filter?: SessionFilter): Promise<SessionView[]>;
    /** A session by its id or name, which need not exist: the first call on it tells. */
    at(ref: string): SessionHandle;
  };
  readonly chats: {
    create(chat: NewChat): Promise<ChatHandle>;
    list(): Promise<ChatListed[]>;
    /** Makes a chat of what `export` of one gave, here or elsewhere. */
    import(exported: string, options?: { name?: string; workDir?: string; resume?: boolean }): Promise<ChatHandle>;
    /** A chat by its name, which need not exist: the first call on it tells. */
    at(name: string): ChatHandle;
  };
}

/** A prompt or steer that was accepted. */
export interface Turn {
  readonly id: string;
  /** 0 for one that has gone to the agent, else its place in the queue. */
  readonly position: number;
  /** How it ended. */
  result(options?: { signal?: AbortSignal }): Promise<TurnResult>;
}

/** One session. Every call rejects with an AgentdError that carries the daemon's code, or DaemonUnreachable. */
export interface SessionHandle {
  /** Its id, or the name it was asked for by. */
  readonly id: string;
  /** The turn of the prompt that it was created with. */
  readonly firstTurn: Turn | undefined;
  view(): Promise<SessionView>;
  /** Its events, from the beginning unless `since` says otherwise, until it ends. */
  events(options?: EventStreamOptions): AsyncIterable<SessionEvent>;
  prompt(text: string, options?: { images?: readonly Image[] }): Promise<Turn>;
  /** Redirects the running turn. */
  steer(text: string): Promise<Turn>;
  interrupt(): Promise<void>;
  /** Answers a question of the agent; the first answer counts. */
  respond(requestId: string, answer: InputAnswer): Promise<void>;
  withdraw(turnId: string): Promise<void>;
  context(item: ContextItem): Promise<void>;
  mention(item: MentionItem): Promise<void>;
  change(change: SessionChange): Promise<SessionView>;
  /** `drain` lets its turns end first. */
  stop(mode?: "drain" | "now"): Promise<SessionView>;
  /** Ends it and takes it off the list. */
  delete(): Promise<void>;
  /** Waits for its end: the last turn's result, and how the agent left. */
  result(options?: { signal?: AbortSignal }): Promise<{ last: TurnResult | undefined; exit: EventOf<"exit">["data"] }>;
}

export function createClient({ url, token }: ClientOptions): Client {
  return clientAt({ url: url.replace(/\/+$/, ""), token, source: "the client's url" });
}

/** For whoever has found the daemon already. */
export function clientAt(address: DaemonAddress): Client {
  const sessionOf = (id: string) => handleOf(address, { id, firstTurn: undefined, isSeen: true });
  const chatOf = (name: string) => chatHandle(address, name, sessionOf);
  return {
    health: () => withRetries(() => getHealth(address)),
    agents: (workDir) => withRetries(() => listAgents(address, workDir)),
    sessions: {
      create: async (request) => {
        const key = crypto.randomUUID();
        const created = await withRetries(() => createSession(address, request, { key }));
        return handleOf(address, { id: created.session_id, firstTurn: created.turn_id, isSeen: true });
      },
      list: (filter) => withRetries(() => listSessions(address, filter)),
      at: (ref) => handleOf(address, { id: ref, firstTurn: undefined, isSeen: false }),
    },
    chats: {
      create: async (chat) => {
        const key = crypto.randomUUID();
        const { name } = await withRetries(() => createChat(address, chat, { key }));
        return chatOf(name);
      },
      list: () => withRetries(() => listChats(address)),
      import: async (exported, { workDir, ...options } = {}) => {
        const key = crypto.randomUUID();
        const imported = { export: exported, ...options, ...(workDir === undefined ? {} : { work_dir: workDir }) };
        return chatOf((await withRetries(() => importChat(address, imported, { key }))).name);
      },
      at: (name) => chatOf(name),
    },
  };
}

/** `isSeen`: the daemon has answered for this session, so it is waited for when it is away. */
function handleOf(
  address: DaemonAddress,
  { id, firstTurn, isSeen }: { id: string; firstTurn: string | undefined; isSeen: boolean },
): SessionHandle {
  const turnOf = (turnId: string, position: number): Turn => ({
    id: turnId,
    position,
    result: (options) => turnResult(address, { id, turnId }, options?.signal),
  });
  const sayOnce = async (kind: "prompt" | "steer", text: string, images?: readonly Image[]) => {
    const key = crypto.randomUUID();
    const { turn_id, position } = await withRetries(() =>
      say(address, { id, kind, text, key, ...(images === undefined ? {} : { images }) }),
    );
    return turnOf(turn_id, position);
  };
  return {
    id,
    firstTurn: firstTurn === undefined ? undefined : turnOf(firstTurn, 0),
    view: () => withRetries(() => getSession(address, id)),
    events: (options) => readEvents(address, id, { ...options, isSeen }),
    prompt: (text, options) => sayOnce("prompt", text, options?.images),
    steer: (text) => sayOnce("steer", text),
    // Not tried again: meanwhile the queue may have given out the next prompt, which nobody wants to end.
    interrupt: () => interruptSession(address, id),
    respond: async (requestId, answer) => {
      await withRetries(() => answerInput(address, { id, requestId, answer }));
    },
    withdraw: (turnId) => withdrawPrompt(address, { id, turnId }),
    context: (item) => addContext(address, { id, item }),
    mention: (item) => addMention(address, { id, item }),
    change: (change) => withRetries(() => changeSession(address, { id, change })),
    stop: (mode = "now") => withRetries(() => stopSession(address, id, mode)),
    delete: () => deleteSession(address, id),
    result: (options) => sessionResult(address, { id, isSeen }, options?.signal),
  };
}

async function turnResult(
  address: DaemonAddress,
  turn: { id: string; turnId: string },
  signal: AbortSignal | undefined,
): Promise<TurnResult> {
  for await (const event of readEvents(address, turn.id, { isSeen: true, ...(signal ? { signal } : {}) }))
    if (event.type === "result" && event.data.turn_id === turn.turnId) return event.data;
  throw new AgentdError("turn_not_found", `Cannot wait for turn "${turn.turnId}": session "${turn.id}" never ended it`);
}

async function sessionResult(
  address: DaemonAddress,
  { id, isSeen }: { id: string; isSeen: boolean },
  signal: AbortSignal | undefined,
) {
  let last: TurnResult | undefined;
  for await (const event of readEvents(address, id, { isSeen, ...(signal ? { signal } : {}) })) {
    if (event.type === "result") last = event.data;
    if (event.type === "exit") return { last, exit: event.data };
  }
  throw new AgentdError(
    "session_ended",
    `Cannot tell how session "${id}" ended: its log has no exit, or the waiting was given up. GET /sessions/${id} has its state`,
  );
}
