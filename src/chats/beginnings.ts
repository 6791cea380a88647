/**
 * Steps of chats on their way into sessions: each is begun when the session before it is over, once. What was begun is
 * found by the id that the step has had from the start, whoever died in between.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay, setImmediate as nextRound } from "node:timers/promises";
import { AgentdError, messageOf } from "../protocol/error.ts";
import type { Session } from "../session/session.ts";
import type { ChatRow, ChatStep } from "../store/store.ts";
import type { Entry } from "../supervisor/entry.ts";
import type { Listed } from "../supervisor/listing.ts";
import { idleMsOf, requestOf, type StoredConfig } from "./config.ts";
import { workFolder } from "./folder.ts";
import { endWhenIdle } from "./idle.ts";
import type { InTurn } from "./in-turn.ts";
import type { ChatsOptions } from "./options.ts";

export interface BeginningsOptions extends ChatsOptions {
  inTurn: InTurn;
  onBegun(chat: string, session: Session): void;
}

/** What passes by itself: a waiting message is tried again. */
const passing: readonly string[] = [
  "max_sessions",
  "token_sessions",
  "disk_full",
  "runtime_unavailable",
  "resume_in_use",
];
const retryMs = 2000;
/** How long whoever sent a message waits for its sidecar's first word; the message is accepted all the same. */
const answerMs = 2000;
/** Sessions that are looked through for a conversation to go on with. */
const lookBackMax = 200;

export class Beginnings {
  readonly #options: BeginningsOptions;
  /** The session that each chat began last, until nothing of it is left. */
  readonly #last = new Map<string, Entry>();
  readonly #retries = new Map<string, NodeJS.Timeout>();

  constructor(options: BeginningsOptions) {
    this.#options = options;
  }

  liveOf(chat: string): Entry | undefined {
    const entry = this.#last.get(chat);
    return entry?.session.isLive ? entry : undefined;
  }

  async recover(): Promise<void> {
    const { supervisor, book, inTurn } = this.#options;
    for (const entry of supervisor.live) {
      const step = await book.stepOf(entry.session.id);
      const row = step && (await book.find(step.chat));
      if (!row) continue;
      this.#watch(row, entry);
      if (step.standing !== "waiting") continue;
      if (step.kind === "attach" && entry.sidecar) await book.begun(step);
      // Whether its sidecar was ever told what it is for shows when it answers, or is gone.
      if (step.kind === "message") void entry.attendance?.givable.then(() => this.#begun(step));
    }
    for (const { chat } of await book.waiting()) void inTurn.run(chat, () => this.#beginWaiting(chat));
  }

  /** Begins the session of a step that waits; rejects when it cannot be. In the chat's turn. */
  async begin(step: ChatStep): Promise<void> {
    const { supervisor, book } = this.#options;
    const row = await book.find(step.chat);
    if (!row) return;
    const { entry } = await supervisor.create(await this.#requestFor(row, step), {
      by: step.sent_by ?? undefined,
      scratch: workFolder(this.#options.dataDir, row.folder),
    });
    // Until then a daemon that dies leaves the message to the next one. A sidecar that is lost under us says so itself.
    const { givable, over } = entry.attendance ?? {};
    const begun = Promise.race([givable, over]).then(() => this.#begun(step));
    this.#watch(row, entry, begun);
    this.#options.onBegun(step.chat, entry.session);
    await Promise.race([begun, delay(answerMs, undefined, { ref: false })]);
  }

  /** What is written of it is behind what is there: should it fail, the session is found when the chat goes on. */
  async #begun(step: ChatStep): Promise<void> {
    const { book } = this.#options;
    await book.begun(step).catch((error: unknown) => this.#tell(step, "Cannot write that it was begun", error));
  }

  /** Ends what runs, and waits until nothing is left of it. */
  async end(chat: string): Promise<void> {
    clearTimeout(this.#retries.get(chat));
    this.#retries.delete(chat);
    const { attendance } = this.#last.get(chat) ?? {};
    attendance?.stop("now", "stopped");
    await attendance?.over;
  }

  /** Resolves when it shows whether what was begun last goes on or its message goes elsewhere; soon in any case. */
  async settled(chat: string): Promise<void> {
    const { session, attendance } = this.#last.get(chat) ?? {};
    if (!attendance || session?.wasMet) return;
    await Promise.race([attendance.givable, attendance.over, delay(answerMs, undefined, { ref: false })]);
    // What follows its end is asked for by then.
    await nextRound();
  }

  /** A deletion came to nothing behind `end`: what waits goes on waiting. */
  goOn(chat: string): void {
    this.#tryLater(chat);
  }

  /** `begun` holds up what comes behind its end. */
  #watch(row: ChatRow, entry: Entry, begun?: Promise<void>): void {
    const { attendance, session } = entry;
    const isTalkedIn = session.spec.interactive && attendance !== undefined;
    const { supervisor } = this.#options;
    const idle = { idleMs: idleMsOf(storedConfig(row)), isClosing: () => supervisor.isClosing };
    const stopIdle = isTalkedIn ? endWhenIdle(attendance, idle) : () => undefined;
    this.#last.set(row.name, entry);
    void (attendance?.over ?? Promise.resolve()).then(async () => {
      stopIdle();
      await begun;
      return this.#options.inTurn.run(row.name, async () => {
        if (this.#last.get(row.name) === entry) this.#last.delete(row.name);
        await this.#beginWaiting(row.name);
      });
    });
  }

  /** Never rejects: nobody waits for it. In the chat's turn. */
  async #beginWaiting(chat: string): Promise<void> {
    const { supervisor, book } = this.#options;
    if (supervisor.isClosing || this.#last.has(chat)) return;
    let step: ChatStep | undefined;
    try {
      step = (await book.steps(chat)).at(-1);
      if (step?.standing !== "waiting") return;
      const found = await supervisor.find(step.session_id);
      if (found) await this.#takeUp(step, found);
      else if (step.kind === "attach") await book.drop(step);
      else await this.begin(step);
    } catch (error) {
      if (step) await this.#notBegun(step, error);
      else this.#tryLater(chat);
    }
  }

  /** Its session was begun by a daemon that died, or could not write so. */
  async #takeUp(step: ChatStep, { session, attendance }: Entry): Promise<void> {
    const { book } = this.#options;
    if (attendance === undefined && step.kind === "message" && wasNeverGiven(session)) {
      await book.again(step, randomUUID());
      return this.#beginWaiting(step.chat);
    }
    await book.begun(step);
  }

  async #notBegun(step: ChatStep, error: unknown): Promise<void> {
    const { book, supervisor } = this.#options;
    if (supervisor.isClosing) return;
    const code = error instanceof AgentdError ? error.code : "internal";
    if (passing.includes(code)) return this.#tryLater(step.chat);
    this.#tell(step, "Cannot begin the session of a message that waited", error);
    await book.failed(step, { code, message: messageOf(error) }).catch(() => this.#tryLater(step.chat));
  }

  #tryLater(chat: string): void {
    const again = () => void this.#options.inTurn.run(chat, () => this.#beginWaiting(chat));
    clearTimeout(this.#retries.get(chat));
    this.#retries.set(chat, setTimeout(again, retryMs).unref());
  }

  #tell({ chat, session_id }: ChatStep, what: string, error: unknown): void {
    this.#options.log("warn", `${what}, of the chat "${chat}": ${messageOf(error)}`, { session_id });
  }

  async #requestFor(row: ChatRow, { kind, text, session_id }: ChatStep) {
    const resume = await this.#conversationOf(row);
    return requestOf(storedConfig(row), {
      session_id,
      tags: { chat_name: row.name },
      ...(kind === "attach" ? { interactive: true } : { prompt: text ?? "" }),
      ...(resume === undefined ? {} : { resume_session: resume }),
    });
  }

  /** The last session that has one, unless the chat has been moved since to where it cannot be gone on with. */
  async #conversationOf(row: ChatRow): Promise<string | undefined> {
    const { book, config: settings } = this.#options;
    const { agent, runtime = settings.runtime, work_dir } = storedConfig(row);
    const begun = (await book.steps(row.name)).filter(({ standing }) => standing === "begun").reverse();
    for (const { session_id, kind, conversation } of begun.slice(0, lookBackMax)) {
      if (kind === "imported") return conversation ?? undefined;
      const found = (await this.#show(session_id))?.row;
      if (!found || found.agent_session_id === null) continue;
      const isThere = found.agent === agent && found.runtime === runtime;
      return isThere && (work_dir === undefined || found.work_dir === work_dir) ? session_id : undefined;
    }
    return undefined;
  }

  async #show(sessionId: string): Promise<Listed | undefined> {
    try {
      return await this.#options.supervisor.show(sessionId);
    } catch (error) {
      if (error instanceof AgentdError && error.code === "session_not_found") return undefined;
      throw error;
    }
  }
}

/**
 * Its prompt is in the log, and its sidecar has never answered a daemon: no agent can have been given it. What is on disk
 * of a sidecar, its folder, its log, a container, says only that one was on its way. One that nobody came to has said one
 * line, its exit. And what somebody stopped is not begun again.
 */
function wasNeverGiven({ wasMet, sidecarSeq, state }: Session): boolean {
  const wasStopped = sidecarSeq === 0 && state.at === "ended" && state.reason === "stopped";
  return !wasMet && sidecarSeq <= 1 && !wasStopped;
}

function storedConfig({ config }: ChatRow): StoredConfig {
  return typeof config === "object" && config !== null ? { ...config } : {};
}
