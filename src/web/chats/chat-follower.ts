/** One chat in the page: the end of its history, what stood before, and the session that runs in it, then the next. */
import { signal } from "@preact/signals";
import { getChat } from "../../client/chats.ts";
import { pause } from "../../client/retry.ts";
import { getSession } from "../../client/sessions.ts";
import type { ChatMessage, ChatMessages, ChatView } from "../../protocol/chat.ts";
import type { InputAnswer } from "../../protocol/command.ts";
import { AgentdError } from "../../protocol/error.ts";
import type { SessionView } from "../../protocol/http.ts";
import type { LogLine } from "../../protocol/line.ts";
import { address, client } from "../page/standing.ts";
import { Thread } from "../session/thread.ts";
import { linesMax, locatedOf, readBefore, readChatSpan, readPage, startOf } from "./chat-lines.ts";
import { keepAsked } from "./chat-questions.ts";
import { askedBy, named } from "./session-names.ts";

const followMs = 1000;
/** Messages nearer than this are read as one. */
const gapMax = 200;
/** A message that is being written began within so much of its session's log. */
const backBytes = 1024 * 1024;
/** What the history has too. */
const told: ReadonlySet<LogLine["type"]> = new Set([
  "user_message",
  "agent_message",
  "tool_use",
  "tool_result",
  "result",
  "error",
  "input_required",
  "input_resolved",
]);

export class ChatFollower {
  readonly name: string;
  readonly thread: Thread;
  readonly view = signal<ChatView | undefined>(undefined);
  /** The session that runs. */
  readonly session = signal<SessionView | undefined>(undefined);
  /** The message that waits for it to end. */
  readonly waiting = signal<string | undefined>(undefined);
  #isOpened = false;
  /** Where the last session of the history stands in the chat. */
  #place: { session: string; position: number } | undefined;

  constructor(name: string) {
    this.name = name;
    this.thread = new Thread({
      gapMax,
      readSpan: (span) => readChatSpan(name, span),
      readBefore: (before) => readBefore(name, before),
    });
  }

  /** Returns how to stop it. */
  start(): () => void {
    void this.#follow();
    void this.thread.look(() => this.refresh());
    return () => this.thread.end();
  }

  get handle() {
    return client().chats.at(this.name);
  }

  /** Of the session that runs. */
  get sessionHandle() {
    const id = this.view.value?.current_session;
    if (id === undefined) throw new AgentdError("chat_not_running", `chat is not running: "${this.name}" is idle`);
    return client().sessions.at(id);
  }

  /** To the session that asked, whichever runs by now. */
  async respond(chatRequestId: string, answer: InputAnswer): Promise<void> {
    const { sessionId, requestId } = askedBy(chatRequestId);
    await client().sessions.at(sessionId).respond(requestId, answer);
  }

  /** The chat as it is, the session that runs in it, and what waits. */
  async refresh(): Promise<ChatView> {
    const view = await getChat(address(), this.name);
    const { current_session: current, next_session: next } = view;
    this.session.value = current === undefined ? undefined : await getSession(address(), current);
    if (next === undefined) this.waiting.value = undefined;
    else if (this.view.value?.next_session !== next) this.#noteWaiting(await readPage(this.name), next);
    this.view.value = view;
    return view;
  }

  #noteWaiting({ messages }: ChatMessages, next: string): void {
    const text = messages.find(({ session_id }) => session_id === next)?.data["text"];
    this.waiting.value = typeof text === "string" ? text : undefined;
  }

  async #follow(): Promise<void> {
    const { over, faults } = this.thread;
    while (!over.aborted) {
      try {
        const { current_session: id } = await this.refresh();
        // Before the history is asked for: what it has not yet comes from here on.
        const bytes = this.session.value?.log_bytes ?? 0;
        await this.#catchUp();
        faults.isWell("following");
        if (id !== undefined && this.#place?.session === id)
          await this.#followSession(id, this.#place.position, Math.max(0, bytes - backBytes));
      } catch (error) {
        faults.noteOf("following", error);
        if (error instanceof AgentdError && error.code === "chat_not_found") return;
      }
      await pause(followMs, over);
    }
  }

  /** What the history has and we have not; of a message that waits, nothing: it comes with its session. */
  async #catchUp(): Promise<void> {
    const { name } = this;
    const { conversation } = this.thread;
    const pages = [await readPage(name)];
    for (;;) {
      const [first] = pages;
      const isJoined = !this.#isOpened || !first?.has_more || (first.before ?? 0) <= conversation.offset;
      if (isJoined) break;
      pages.unshift(await readPage(name, first.before));
    }
    keepAsked(conversation, this.session.value);
    const messages = withoutWaiting(pages.flatMap((page) => page.messages));
    const lines = locatedOf(messages);
    const last = messages.at(-1);
    if (last) this.#place = { session: last.session_id, position: Math.floor(last.offset / linesMax) };
    if (this.#isOpened) {
      for (const { line, span } of lines) if (span.start >= conversation.offset) conversation.take(line, span);
    } else if (last && pages[0]) {
      conversation.offset = last.offset + 1;
      conversation.takeEarlier(lines, startOf(pages[0]));
    }
    this.#isOpened = true;
    this.thread.opened();
  }

  async #followSession(id: string, position: number, since: number): Promise<void> {
    const { conversation, over } = this.thread;
    for await (const { offset: _offset, ...line } of client().sessions.at(id).events({ since, signal: over })) {
      const at = position * linesMax + line.seq - 1;
      if (at < conversation.offset || !told.has(line.type)) continue;
      conversation.take(named(line, id), { start: at, end: at + 1 });
      this.thread.draw();
    }
  }
}

/** One that waits stands there without a turn, and stands elsewhere once its session has it. One that failed has its error behind it. */
function withoutWaiting(messages: readonly ChatMessage[]): ChatMessage[] {
  const isWaiting = ({ type, data }: ChatMessage) =>
    type === "user_message" && data["kind"] === "prompt" && data["turn_id"] === null;
  return messages.filter((message, at) => !isWaiting(message) || messages[at + 1]?.session_id === message.session_id);
}
