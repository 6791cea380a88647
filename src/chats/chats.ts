/**
 * Chats: a name for a conversation that goes on from session to session. A message is a step of its chat's chain, on disk
 * before anybody is told that it was accepted; its session is begun for it under an id that the step had from the start,
 * so that it is never begun twice. Whether a chat runs is asked of its session, and stands nowhere else.
 */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ChatListed, ChatMessages } from "../protocol/chat.ts";
import { AgentdError, errnoOf, OpenOutcome } from "../protocol/error.ts";
import type { Session } from "../session/session.ts";
import { StoredFile } from "../session/stored-file.ts";
import type { ChatRow, ChatStep } from "../store/store.ts";
import type { Entry } from "../supervisor/entry.ts";
import { Beginnings } from "./beginnings.ts";
import type { StoredConfig } from "./config.ts";
import { exportLines } from "./export.ts";
import { importedFile, removeFolder, workFolder } from "./folder.ts";
import { type HistoryQuery, readHistory, type Said } from "./history.ts";
import { type Imported, sweepImported, writeImported } from "./imported.ts";
import { ImportedLogs } from "./imported-log.ts";
import { InTurn } from "./in-turn.ts";
import type { ChatsOptions } from "./options.ts";
import { checkConfig } from "./possible.ts";
import { type Chat, chatOf, isReplacedBy, listedOf } from "./state.ts";

/** So many sessions a chat may have had: its chain is shown whole. */
const stepsMax = 10_000;

/** When it is worth asking again. */
const retryAfterMs = 5000;

/** A message, or the wish for a session to talk in. */
export interface Asked {
  /** For its session, should one be begun. */
  sessionId: string;
  /** The name of the caller's token. */
  by: string | undefined;
}

/** What came of a message. */
export interface Sent {
  /** The session that runs now, when one does. */
  sessionId: string | undefined;
  /** The session that the message is for, while it waits. */
  next: string | undefined;
}

/** Told of each session of a chat that is begun, and of the chat's end. */
export interface ChatFollower {
  onSession(session: Session): void;
  onGone(): void;
}

export class Chats {
  readonly #options: ChatsOptions;
  readonly #beginnings: Beginnings;
  /** What is asked of one chat is done one after the other. */
  readonly #inTurn = new InTurn();
  readonly #followers = new Map<string, Set<ChatFollower>>();
  readonly #imported = new ImportedLogs(storedLog);

  constructor(options: ChatsOptions) {
    this.#options = options;
    this.#beginnings = new Beginnings({
      ...options,
      inTurn: this.#inTurn,
      onBegun: (chat, session) => {
        for (const { onSession } of this.#followers.get(chat) ?? []) onSession(session);
      },
    });
  }

  /** Sessions of chats that run are watched again, and messages that wait are begun when their time comes. */
  async recover(): Promise<void> {
    const { book, dataDir } = this.#options;
    const folders = new Set((await book.summaries()).map(({ row }) => row.folder));
    await sweepImported(join(dataDir, "chats"), folders);
    await this.#beginnings.recover();
  }

  async list(): Promise<ChatListed[]> {
    const summaries = await this.#options.book.summaries();
    return summaries.map((summary) => listedOf(summary, { isLive: this.#liveOf(summary.row.name) !== undefined }));
  }

  /** Rejects with `chat_not_found`. */
  async get(name: string): Promise<Chat> {
    const row = await this.#rowOf(name);
    const { book } = this.#options;
    const [steps, conversations] = [await book.steps(name), await book.conversations(name)];
    return chatOf({ row, steps, conversations, live: this.#liveOf(name)?.session.id });
  }

  create(name: string, config: StoredConfig, request: string | undefined): Promise<Chat> {
    return this.#inTurn.run(name, async () => {
      const row = await this.#newRow(name, config, request);
      if (!(await this.#options.book.create(row))) throw chatExists(name);
      return this.get(name);
    });
  }

  /** A chat that begins with what was said elsewhere. */
  import(name: string, imported: Imported, request: string | undefined): Promise<Chat> {
    return this.#inTurn.run(name, async () => {
      const { book, dataDir } = this.#options;
      const row = await this.#newRow(name, imported.config, request);
      const path = importedFile(dataDir, row.folder);
      await writeImported(path, imported.messages);
      const at = { chat: name, position: 0, session_id: randomUUID(), sent_at: row.created_at, sent_by: null };
      const said = { kind: "imported", standing: "begun", text: null, fault: null } as const;
      if (!(await book.create(row, { ...at, ...said, conversation: imported.conversation ?? null }))) {
        await rm(path, { force: true });
        throw chatExists(name);
      }
      return this.get(name);
    });
  }

  /** The chat as `import` takes it, line by line. */
  async export(name: string): Promise<AsyncGenerator<string>> {
    const { row, steps, view } = await this.get(name);
    return exportLines({ view, steps, said: this.#said(row) });
  }

  /** Whether this request made the chat, whatever became of it since. */
  async wasCreatedBy(name: string, request: string): Promise<boolean> {
    return (await this.#options.book.find(name))?.request === request;
  }

  /** What is named in the change is replaced; only while nothing runs, which is looked at before the change is. */
  change(name: string, change: () => StoredConfig): Promise<Chat> {
    return this.#inTurn.run(name, async () => {
      const { row, view } = await this.get(name);
      if (view.state === "running")
        throw new AgentdError(
          "chat_not_idle",
          `config can only be updated when chat is idle: "${name}" is running. Wait for its turn to end`,
          { details: { state: view.state } },
        );
      const config = { ...storedConfigOf(row), ...change() };
      await checkConfig(this.#options, config);
      await this.#options.book.change(name, { config, updated_at: Date.now() });
      return this.get(name);
    });
  }

  /** Accepts a message: it is on disk when this resolves, and its session is begun, or waits for the one that runs. */
  send(name: string, text: string, { sessionId, by }: Asked): Promise<Sent> {
    return this.#inTurn.run(name, async () => {
      const { steps } = await this.get(name);
      const step = await this.#addStep(name, steps, { kind: "message", text, session_id: sessionId, by });
      const live = this.#liveOf(name);
      if (live) {
        // Somebody talks in it: what they have begun comes to its end first.
        if (live.session.spec.interactive) live.attendance?.stop("drain", "stopped");
        return { sessionId: live.session.id, next: sessionId };
      }
      await this.#beginOrDrop(step);
      return { sessionId, next: undefined };
    });
  }

  /** What came of a message that was for this session; undefined when it was never accepted. */
  async sent(name: string, sessionId: string): Promise<Sent | undefined> {
    await this.#beginnings.settled(name);
    // Behind whatever is done for it now: it may be given another session just then.
    return this.#inTurn.run(name, async () => {
      const step = heirOf(await this.#options.book.steps(name), sessionId);
      if (!step) return undefined;
      const running = this.#liveOf(name)?.session.id;
      const isWaiting = step.standing === "waiting" && step.session_id !== running;
      return isWaiting
        ? { sessionId: running, next: step.session_id }
        : { sessionId: step.session_id, next: undefined };
    });
  }

  /** The session that runs, or one that was begun for somebody to talk in. */
  attach(name: string, { sessionId, by }: Asked): Promise<{ sessionId: string; isNew: boolean }> {
    return this.#inTurn.run(name, async () => {
      const { steps } = await this.get(name);
      const live = this.#liveOf(name);
      if (live) return { sessionId: live.session.id, isNew: false };
      const step = await this.#addStep(name, steps, { kind: "attach", text: null, session_id: sessionId, by });
      await this.#beginOrDrop(step);
      return { sessionId, isNew: true };
    });
  }

  /** Ends what runs in it, and forgets it. Its sessions stay listed, unless they are to go too. */
  remove(name: string, { withSessions }: { withSessions: boolean }): Promise<void> {
    return this.#inTurn.run(name, async () => {
      const { row, steps } = await this.get(name);
      await this.#beginnings.end(name);
      try {
        if (withSessions) await this.#removeSessions(steps);
        await this.#options.book.remove(name);
      } catch (error) {
        this.#beginnings.goOn(name);
        throw error;
      }
      const imported = importedFile(this.#options.dataDir, row.folder);
      await rm(imported, { force: true });
      this.#imported.forget(imported);
      await removeFolder(workFolder(this.#options.dataDir, row.folder), { isEmptyOnly: !withSessions });
      for (const { onGone } of this.#followers.get(name) ?? []) onGone();
    });
  }

  async history(name: string, query: HistoryQuery): Promise<ChatMessages> {
    const row = await this.#rowOf(name);
    const steps = await this.#options.book.steps(name);
    return readHistory(steps, this.#said(row), query);
  }

  /** The session that runs now, if one does. */
  async current(name: string): Promise<Session | undefined> {
    await this.#rowOf(name);
    return this.#liveOf(name)?.session;
  }

  /** The ids of the sessions from this one on; rejects with `session_not_found` for one that is not of the chat. */
  async chainFrom(name: string, sessionId: string): Promise<string[]> {
    const { view } = await this.get(name);
    const at = view.session_chain.indexOf(sessionId);
    if (at === -1)
      throw new AgentdError("session_not_found", `session not found: ${sessionId.slice(0, 80)} is none of this chat`);
    return view.session_chain.slice(at);
  }

  /** Of what begins from now on; the answer ends it. */
  follow(name: string, follower: ChatFollower): () => void {
    const all = this.#followers.get(name) ?? new Set();
    this.#followers.set(name, all.add(follower));
    return () => {
      all.delete(follower);
      if (all.size === 0 && this.#followers.get(name) === all) this.#followers.delete(name);
    };
  }

  #liveOf(name: string): Entry | undefined {
    return this.#beginnings.liveOf(name);
  }

  async #rowOf(name: string): Promise<ChatRow> {
    const row = await this.#options.book.find(name);
    if (!row) throw new AgentdError("chat_not_found", `chat not found: ${name.slice(0, 80)}`);
    return row;
  }

  async #addStep(
    name: string,
    steps: readonly ChatStep[],
    { by, ...step }: Pick<ChatStep, "kind" | "text" | "session_id"> & { by: string | undefined },
  ): Promise<ChatStep> {
    const last = steps.at(-1);
    if (last?.standing === "waiting") throw chatBusy(name);
    if (steps.length >= stepsMax)
      throw new AgentdError(
        "chat_full",
        `Cannot add to the chat "${name}": it has had ${stepsMax} sessions. Go on in a new one`,
      );
    const position = (last?.position ?? -1) + 1;
    const at = { chat: name, position, sent_at: Date.now(), sent_by: by ?? null };
    const added: ChatStep = { ...at, ...step, standing: "waiting", fault: null, conversation: null };
    await this.#options.book.add(added);
    return added;
  }

  /** Whoever asked is told when it cannot be begun: then it never was. */
  async #beginOrDrop(step: ChatStep): Promise<void> {
    try {
      await this.#beginnings.begin(step);
    } catch (error) {
      await this.#options.book.drop(step).catch(() => {
        // It is still there, and the next daemon will begin it.
        throw OpenOutcome.of(error);
      });
      throw error;
    }
  }

  async #removeSessions(steps: readonly ChatStep[]): Promise<void> {
    const { supervisor } = this.#options;
    for (const { session_id } of steps) if (await supervisor.find(session_id)) await supervisor.remove(session_id);
  }

  async #newRow(name: string, config: StoredConfig, request: string | undefined): Promise<ChatRow> {
    const { book, config: settings } = this.#options;
    const { max_chats } = settings.limits;
    if (await book.find(name)) throw chatExists(name);
    await checkConfig(this.#options, config);
    if ((await book.count()) >= max_chats)
      throw new AgentdError(
        "max_chats",
        `Cannot create the chat "${name}": there are ${max_chats} chats (limits.max_chats). Delete one that is over`,
      );
    const at = Date.now();
    const folder = `${name}-${randomUUID().slice(0, 8)}`;
    return { name, config, folder, created_at: at, updated_at: at, last_active_at: null, request: request ?? null };
  }

  #said({ folder }: ChatRow): Said {
    return {
      logOf: (sessionId) => this.#logOf(sessionId),
      imported: () => this.#imported.at(importedFile(this.#options.dataDir, folder)),
    };
  }

  /** One that was deleted has left its log. */
  async #logOf(sessionId: string) {
    const { supervisor, logPathOf } = this.#options;
    const entry = await supervisor.find(sessionId);
    if (entry) return entry.session;
    return storedLog(logPathOf(sessionId));
  }
}

/** The step that has the message of this session now: one that no agent was given went on into the step behind it. */
function heirOf(steps: readonly ChatStep[], sessionId: string): ChatStep | undefined {
  let at = steps.findIndex(({ session_id }) => session_id === sessionId);
  while (isReplacedBy(steps[at], steps[at + 1])) at++;
  return steps[at];
}

function storedConfigOf({ config }: ChatRow): StoredConfig {
  return typeof config === "object" && config !== null ? { ...config } : {};
}

async function storedLog(path: string) {
  const file = new StoredFile(path);
  const end = await file.size().catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return 0;
    throw error;
  });
  return end === 0 ? undefined : { end, readStored: (from: number, to: number) => file.read(from, to) };
}

function chatExists(name: string): AgentdError {
  return new AgentdError("chat_exists", `chat already exists: ${name}. Choose another name, or delete that one`);
}

function chatBusy(name: string): AgentdError {
  return new AgentdError(
    "chat_busy",
    `chat is busy: a message to "${name}" waits already. Send this one when its session has begun`,
    { details: { retry_after_ms: retryAfterMs, retry_after: retryAfterMs / 1000 } },
  );
}
