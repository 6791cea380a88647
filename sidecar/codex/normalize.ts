/**
 * Lines of `codex app-server` → events, with a small memory. Pure: it does no I/O and reads no clock, and it never throws
 * for what a line says. `push` as many lines as one read brought, then `take` what came of them.
 */
import { stripVTControlCharacters } from "node:util";
import type { InputAnswer, InterruptReason } from "../../src/protocol/command.ts";
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SidecarStatus } from "../../src/protocol/link-frame.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { parseAgentJson } from "../agent-json.ts";
import { plainLine, progress, unknownLine } from "../facts.ts";
import type { Failure } from "../failure.ts";
import type { HarnessOutput, Waiting } from "../harness.ts";
import { Outbox } from "../outbox.ts";
import { AgentOutput, parentOf } from "./agent-output.ts";
import { failureOf } from "./failure.ts";
import { Items } from "./items.ts";
import { Places } from "./places.ts";
import { Questions } from "./questions.ts";
import {
  type Asked,
  type ErrorLine,
  InitializeReply,
  type Raw,
  type Reply,
  readRaw,
  ThreadReply,
  type TurnLine,
  TurnReply,
  type UsageLine,
} from "./raw.ts";
import type { RpcId } from "./requests.ts";
import { Retries } from "./retries.ts";
import { initData, notice, serverStatus, todoItems } from "./session-facts.ts";
import { readDelta } from "./text-delta.ts";
import { Threads } from "./threads.ts";
import { type Turn, TurnBook } from "./turn-book.ts";
import { TurnEndings } from "./turn-endings.ts";
import { UsageMeter } from "./usage-meter.ts";

/** What came of the lines since the last `take`. */
export interface Effects {
  outputs: HarnessOutput[];
  /** The status is another one than at the last `take`. */
  isStatusNew: boolean;
  /** Lines to write to the agent: answers to what it asked. */
  lines: string[];
  /** Replies to requests of ours. */
  replies: { id: string; error?: { code: number; message: string } }[];
  /** MCP servers that have started, or failed to. */
  servers: string[];
}

export interface NormalizerOptions {
  permissionMode: PermissionMode;
  /** Calls of the model in a turn, after which the next one is one too many. */
  roundsMax?: number;
  /** Answers are to fit a schema. */
  isStructured?: boolean;
}

/** What a request of ours was for, so that its reply can be understood. */
type Sent = { for: "initialize" } | { for: "thread" } | { for: "turn"; turn: Turn };

const sentMax = 1000;

export class Normalizer {
  permissionMode: PermissionMode;
  readonly #roundsMax: number;
  readonly #book = new TurnBook();
  readonly #threads = new Threads();
  readonly #places = new Places({ book: this.#book, threads: this.#threads });
  readonly #agent = new AgentOutput();
  readonly #meter = new UsageMeter();
  readonly #questions: Questions;
  readonly #endings: TurnEndings;
  readonly #items: Items;
  readonly #retries = new Retries();
  readonly #out = new Outbox();
  readonly #sent = new Map<string, Sent>();
  #lines: string[] = [];
  #replies: Effects["replies"] = [];
  #servers: string[] = [];
  #userAgent: string | undefined;
  #model: string | undefined;

  constructor(options: NormalizerOptions) {
    this.permissionMode = options.permissionMode;
    this.#roundsMax = options.roundsMax ?? Infinity;
    this.#questions = new Questions({ isAsking: () => this.permissionMode === "interactive" });
    this.#endings = new TurnEndings({
      book: this.#book,
      agent: this.#agent,
      threads: this.#threads,
      meter: this.#meter,
      questions: this.#questions,
      model: () => this.#model,
      isStructured: options.isStructured ?? false,
    });
    this.#items = new Items({
      agent: this.#agent,
      book: this.#book,
      places: this.#places,
      threads: this.#threads,
      endings: this.#endings,
      model: () => this.#model,
      onModelAnswers: () => this.#modelAnswers(),
    });
  }

  /** The session's thread, once Codex has named it. */
  get threadId(): string | undefined {
    return this.#threads.main;
  }

  get running(): Turn | undefined {
    return this.#book.running;
  }

  /** Codex's turns that run: the session's own and those of its sub-agents. */
  get codexTurns(): { threadId: string; turnId: string }[] {
    return this.#places.codexTurns;
  }

  /** Why the last turn failed, for the end of the agent. */
  get failure(): Failure | undefined {
    return this.#endings.failure;
  }

  get status(): Partial<SidecarStatus> {
    const turn = this.#book.running;
    return {
      activity: turn ? (this.#retries.dueAt === undefined ? "busy" : "retrying") : "idle",
      turn_id: turn?.id ?? null,
      background: this.#threads.running.length,
      ...(this.#threads.main === undefined ? {} : { agent_session_id: this.#threads.main }),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    };
  }

  get waiting(): Waiting {
    const turn = this.#book.running;
    if (!turn) return { on: "nothing" };
    if (this.#questions.count > 0) return { on: "person" };
    const { dueAt } = this.#retries;
    if (dueAt !== undefined) return { on: "retry", dueAt };
    const names = this.#agent.openTools(turn.id);
    return names.length > 0 ? { on: "tool", names } : { on: "model" };
  }

  // What we asked of the agent.

  /** The handshake, whose replies say who answers and which thread is the session's. */
  asked(id: string, what: "initialize" | "thread"): void {
    this.#remember(id, { for: what });
  }

  /** A prompt was accepted; its request may go out later, see `prompting`. */
  prompted(turnId: string, now: number): Turn {
    this.letGo(now);
    return this.#book.prompt(turnId, now);
  }

  prompting(id: string, turn: Turn): void {
    this.#remember(id, { for: "turn", turn });
  }

  steered(messageId: string): void {
    this.#items.steered(messageId);
  }

  interrupted(reason: InterruptReason, detail: string | undefined): void {
    for (const turn of this.#book.open) turn.interrupt ??= { reason, detail };
  }

  /** Throws a sentence for people when the answer cannot be given. Returns what is left to be said to the agent. */
  responded(requestId: string, answer: InputAnswer & { by: string }): string | undefined {
    const { event, line, note } = this.#questions.respond(requestId, answer);
    this.#out.add(event);
    this.#lines.push(line);
    return note;
  }

  /** What was meant for a turn that is over goes on in one of the agent's own. */
  continued(now: number): Turn {
    return this.#book.continue(now);
  }

  /** A prompt that never went out. */
  dropped(turn: Turn, now: number): void {
    this.#out.addAll(this.#endings.dropped(turn, now));
  }

  /** Turns that were cut short end now, whatever became of their commands. */
  letGo(now: number): void {
    this.#out.addAll(this.#endings.letGo(now));
  }

  // What the agent said.

  push(line: string, now: number): void {
    this.#out.line = line;
    let value: unknown;
    try {
      value = parseAgentJson(line);
    } catch {
      if (line.trim() !== "") this.#out.emit(plainLine("stdout_raw", line));
      return;
    }
    const delta = readDelta(value);
    if (delta) {
      const place = this.#places.of(delta.threadId, undefined);
      if (place.parentId === undefined) this.#modelAnswers();
      this.#out.emitAll(this.#agent.delta(delta, place));
      return;
    }
    this.#read(readRaw(value), line, now);
  }

  stderr(line: string): void {
    this.#out.line = undefined;
    const text = stripVTControlCharacters(line).trim();
    if (text !== "") this.#out.emit(plainLine("stderr", text));
  }

  /** An event from elsewhere, in its place among the others. */
  add(event: SessionEvent): void {
    this.#out.add(event);
  }

  /** Codex will never begin what was asked: open turns end with this. */
  failed(failure: Failure, now: number): void {
    this.#out.addAll(this.#endings.failed(failure, now));
  }

  /** The agent is gone: closes whatever is open. */
  end(reason: string, now: number): void {
    this.#retries.over();
    this.#out.addAll(this.#endings.agentEnded(reason, now));
  }

  take(): Effects {
    const isStatusNew = this.#out.isNews(this.status);
    const outputs = this.#out.take();
    const effects = { outputs, isStatusNew, lines: this.#lines, replies: this.#replies, servers: this.#servers };
    this.#lines = [];
    this.#replies = [];
    this.#servers = [];
    return effects;
  }

  #read(raw: Raw, line: string, now: number): void {
    switch (raw.kind) {
      case "reply":
        return this.#reply(raw.line, now);
      case "asked":
        return this.#askedOfUs(raw.id, raw.method, raw.line);
      case "turn_started":
        return this.#turnStarted(raw.line, now);
      case "turn_completed":
        return this.#turnCompleted(raw.line, now);
      case "item_started":
        return this.#out.emitAll(this.#items.started(raw.line, now));
      case "item_completed":
        return this.#out.emitAll(this.#items.completed(raw.line, now));
      case "usage":
        return this.#usage(raw.line);
      case "error":
        return this.#error(raw.line, now);
      case "raw_item":
        return this.#out.emitAll(
          this.#agent.rawItem(raw.line, this.#places.of(raw.line.threadId, raw.line.turnId), now),
        );
      case "resolved":
        return this.#out.emitAll(this.#questions.withdrawn(raw.line.requestId, (id) => this.#isInterrupted(id)));
      case "settings":
        if (raw.line.threadId === this.#threads.main) this.#model = raw.line.threadSettings.model;
        return;
      case "rerouted":
        if (raw.line.threadId === this.#threads.main) this.#model = raw.line.toModel;
        return;
      case "plan": {
        const place = this.#places.of(raw.line.threadId, raw.line.turnId);
        return this.#out.emit(progress(place.turnId, "todo", { items: todoItems(raw), ...parentOf(place) }));
      }
      case "server_status": {
        if (raw.line.status !== "starting") this.#servers.push(raw.line.name);
        const event = serverStatus(raw);
        if (event) this.#out.emit(event);
        return;
      }
      case "notice":
        return this.#out.emit(notice(raw));
      case "silent":
        return;
      case "unknown":
        return this.#out.emit(unknownLine(line));
      default:
        raw satisfies never;
    }
  }

  #reply({ id, result, error }: Reply, now: number): void {
    const name = String(id);
    const sent = this.#sent.get(name);
    this.#sent.delete(name);
    this.#replies.push({ id: name, ...(error ? { error } : {}) });
    switch (sent?.for) {
      case "initialize":
        this.#userAgent = InitializeReply.safeParse(result).data?.userAgent ?? undefined;
        return;
      case "thread":
        return this.#threadReply(result);
      case "turn": {
        const named = TurnReply.safeParse(result).data?.turn.id;
        if (!this.#book.open.includes(sent.turn)) return;
        if (named !== undefined && this.#book.idOf(named) === undefined) this.#meter.turnBegan();
        if (named !== undefined) this.#book.named(sent.turn, named, now);
        else this.#out.emitAll(this.#endings.refused(sent.turn, error?.message ?? "Codex did not begin the turn", now));
        return;
      }
      default:
        return;
    }
  }

  #threadReply(result: unknown): void {
    const parsed = ThreadReply.safeParse(result);
    if (!parsed.success) return;
    const { thread, model, cwd } = parsed.data;
    this.#threads.main = thread.id;
    this.#model = model ?? this.#model;
    const facts = { threadId: thread.id, model: this.#model, cwd: cwd ?? undefined, userAgent: this.#userAgent };
    this.#out.emit({ type: "system", data: initData({ ...facts, permissionMode: this.permissionMode }) });
  }

  #askedOfUs(id: RpcId, method: string, params: Asked): void {
    const place = this.#places.of(params.threadId, params.turnId);
    const call = this.#agent.callOf(params.itemId);
    const asked = this.#questions.asked({ id, method, params, turnId: place.turnId, parentId: place.parentId, call });
    if (!asked) return;
    if ("event" in asked) this.#out.emit(asked.event);
    else this.#lines.push(asked.line);
  }

  #turnStarted({ threadId, turn }: TurnLine, now: number): void {
    if (this.#places.isOwn(threadId)) {
      if (this.#book.idOf(turn.id) === undefined) this.#meter.turnBegan();
      this.#book.started(turn.id, now);
      return;
    }
    const turnId = this.#book.idOf(turn.rootTurnId) ?? this.#book.nearestId;
    const child = this.#threads.ensureChild(threadId, { parentId: undefined, turnId });
    child.codexTurnId = turn.id;
    child.meter.turnBegan();
    const data = { event: "started", id: child.parentId, thread_id: threadId, parent_id: child.parentId };
    this.#out.emit(progress(child.turnId, "task", data));
  }

  #turnCompleted({ threadId, turn }: TurnLine, now: number): void {
    if (this.#places.isOwn(threadId)) {
      this.#retries.over();
      this.#out.emitAll(this.#endings.completed(turn, now));
      return;
    }
    this.#out.emitAll(this.#endings.childCompleted(threadId, turn, now));
  }

  #usage({ threadId, tokenUsage }: UsageLine): void {
    if (this.#places.isOwn(threadId)) this.#meter.reported(tokenUsage);
    else this.#threads.child(threadId)?.meter.reported(tokenUsage);
  }

  #error({ threadId, turnId, error, willRetry }: ErrorLine, now: number): void {
    const place = this.#places.of(threadId, turnId);
    const turn = place.parentId === undefined ? this.#book.running : undefined;
    const failure = failureOf(error, turn?.failure);
    if (turn) turn.failure = failure;
    if (!willRetry) {
      // The end of the turn says the same; without a turn nothing else will.
      if (!turn && place.parentId === undefined) this.#out.emitAll(this.#endings.complain(failure));
      return;
    }
    const retry = this.#retries.announced(error, { place, turn, failure }, now);
    this.#out.emitAll(this.#agent.textCut(place.threadId));
    this.#out.emit(retry);
  }

  /** The model is heard: a retry has gone well, and a round has begun. */
  #modelAnswers(): void {
    this.#retries.over();
    const turn = this.#book.running;
    if (!turn) return;
    turn.retries = 0;
    if (this.#meter.rounds >= this.#roundsMax) turn.interrupt ??= { reason: "limit", detail: "max_turns" };
  }

  #isInterrupted(turnId: string): boolean {
    return this.#book.open.some(({ id, interrupt }) => id === turnId && interrupt !== undefined);
  }

  #remember(id: string, sent: Sent): void {
    this.#sent.set(id, sent);
    const [oldest] = this.#sent.keys();
    if (this.#sent.size > sentMax && oldest !== undefined) this.#sent.delete(oldest);
  }
}
