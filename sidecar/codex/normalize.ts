/**
 * Lines of `codex app-server` → events, with a small memory. Pure: it does no I/O and reads no clock, and it never throws
 * for what a line says. `push` as many lines as one read brought, then `take` what came of them.
 */
import { stripVTControlCharacters } from "node:util";
import type { InputAnswer, InterruptReason } from "../../src/protocol/command.ts";
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SidecarStatus } from "../../src/protocol/link-frame.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { plainLine, progress, unknownLine } from "../facts.ts";
import type { Failure } from "../failure.ts";
import type { HarnessOutput, Waiting } from "../harness.ts";
import { AgentOutput, type Place, parentOf } from "./agent-output.ts";
import { failureOf } from "./failure.ts";
import { receiversOf } from "./item-tool.ts";
import { Questions } from "./questions.ts";
import {
  type Asked,
  type ErrorLine,
  InitializeReply,
  type ItemLine,
  type Raw,
  type Reply,
  readRaw,
  ThreadReply,
  type TurnLine,
  TurnReply,
  type UsageLine,
} from "./raw.ts";
import type { RpcId } from "./requests.ts";
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

/** A refused key is retried for a while (0.169.0); the second refusal is believed, as one may be a hiccup of the service. */
const refusalsMax = 2;
const sentMax = 1000;

export class Normalizer {
  permissionMode: PermissionMode;
  readonly #roundsMax: number;
  readonly #book = new TurnBook();
  readonly #threads = new Threads();
  readonly #agent = new AgentOutput();
  readonly #meter = new UsageMeter();
  readonly #questions: Questions;
  readonly #endings: TurnEndings;
  readonly #sent = new Map<string, Sent>();
  /** Our names of steers that have not reached the model. */
  readonly #steers = new Set<string>();
  #outputs: HarnessOutput[] = [];
  #lines: string[] = [];
  #replies: Effects["replies"] = [];
  #shown = "";
  #userAgent: string | undefined;
  #model: string | undefined;
  #retryAt: number | undefined;
  #line: string | undefined;

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
    const main = this.#threads.main;
    const own = this.#book.running?.codexId;
    const children = this.#threads.running.flatMap(({ threadId, codexTurnId }) =>
      codexTurnId === undefined ? [] : [{ threadId, turnId: codexTurnId }],
    );
    return main !== undefined && own !== undefined ? [{ threadId: main, turnId: own }, ...children] : children;
  }

  /** Why the last turn failed, for the end of the agent. */
  get failure(): Failure | undefined {
    return this.#endings.failure;
  }

  get status(): Partial<SidecarStatus> {
    const turn = this.#book.running;
    return {
      activity: turn ? (this.#retryAt === undefined ? "busy" : "retrying") : "idle",
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
    if (this.#retryAt !== undefined) return { on: "retry", dueAt: this.#retryAt };
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
    this.#steers.add(messageId);
    const [oldest] = this.#steers;
    if (this.#steers.size > sentMax && oldest !== undefined) this.#steers.delete(oldest);
  }

  interrupted(reason: InterruptReason, detail: string | undefined): void {
    for (const turn of this.#book.open) turn.interrupt ??= { reason, detail };
  }

  /** Throws a sentence for people when the answer cannot be given. Returns what is left to be said to the agent. */
  responded(requestId: string, answer: InputAnswer & { by: string }): string | undefined {
    this.#line = undefined;
    const { event, line, note } = this.#questions.respond(requestId, answer);
    this.#emit(event);
    this.#lines.push(line);
    return note;
  }

  /** What was meant for a turn that is over goes on in one of the agent's own. */
  continued(now: number): Turn {
    return this.#book.continue(now);
  }

  /** A prompt that never went out. */
  dropped(turn: Turn, now: number): void {
    this.#line = undefined;
    this.#emitAll(this.#endings.dropped(turn, now));
  }

  /** Turns that were cut short end now, whatever became of their commands. */
  letGo(now: number): void {
    this.#line = undefined;
    this.#emitAll(this.#endings.letGo(now));
  }

  // What the agent said.

  push(line: string, now: number): void {
    this.#line = line;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      if (line.trim() !== "") this.#emit(plainLine("stdout_raw", line));
      return;
    }
    const delta = readDelta(value);
    if (delta) {
      const place = this.#placeOf(delta.threadId, undefined);
      if (place.parentId === undefined) this.#modelAnswers();
      this.#emitAll(this.#agent.delta(delta, place));
      return;
    }
    this.#read(readRaw(value), line, now);
  }

  stderr(line: string): void {
    this.#line = undefined;
    const text = stripVTControlCharacters(line).trim();
    if (text !== "") this.#emit(plainLine("stderr", text));
  }

  /** An event from elsewhere, in its place among the others. */
  add(event: SessionEvent): void {
    this.#line = undefined;
    this.#emit(event);
  }

  /** Codex will never begin what was asked: open turns end with this. */
  failed(failure: Failure, now: number): void {
    this.#line = undefined;
    this.#emitAll(this.#endings.failed(failure, now));
  }

  /** The agent is gone: closes whatever is open. */
  end(reason: string, now: number): void {
    this.#line = undefined;
    this.#retryAt = undefined;
    this.#emitAll(this.#endings.agentEnded(reason, now));
  }

  take(): Effects {
    const status = JSON.stringify(this.status);
    const isStatusNew = status !== this.#shown;
    this.#shown = status;
    const effects = { outputs: this.#outputs, isStatusNew, lines: this.#lines, replies: this.#replies };
    this.#outputs = [];
    this.#lines = [];
    this.#replies = [];
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
        return this.#itemStarted(raw.line, now);
      case "item_completed":
        return this.#itemCompleted(raw.line, now);
      case "usage":
        return this.#usage(raw.line);
      case "error":
        return this.#error(raw.line, now);
      case "raw_item":
        return this.#emitAll(this.#agent.rawItem(raw.line, this.#placeOf(raw.line.threadId, raw.line.turnId), now));
      case "resolved":
        return this.#emitAll(this.#questions.withdrawn(raw.line.requestId));
      case "settings":
        if (raw.line.threadId === this.#threads.main) this.#model = raw.line.threadSettings.model;
        return;
      case "rerouted":
        if (raw.line.threadId === this.#threads.main) this.#model = raw.line.toModel;
        return;
      case "plan": {
        const place = this.#placeOf(raw.line.threadId, raw.line.turnId);
        return this.#emit(progress(place.turnId, "todo", { items: todoItems(raw), ...parentOf(place) }));
      }
      case "server_status": {
        const event = serverStatus(raw);
        if (event) this.#emit(event);
        return;
      }
      case "notice":
        return this.#emit(notice(raw));
      case "silent":
        return;
      case "unknown":
        return this.#emit(unknownLine(line));
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
        else this.#emitAll(this.#endings.refused(sent.turn, error?.message ?? "Codex did not begin the turn", now));
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
    this.#emit({ type: "system", data: initData({ ...facts, permissionMode: this.permissionMode }) });
  }

  #askedOfUs(id: RpcId, method: string, params: Asked): void {
    const place = this.#placeOf(params.threadId, params.turnId);
    const call = this.#agent.callOf(params.itemId);
    const asked = this.#questions.asked({ id, method, params, turnId: place.turnId, parentId: place.parentId, call });
    if (!asked) return;
    if ("event" in asked) this.#emit(asked.event);
    else this.#lines.push(asked.line);
  }

  #turnStarted({ threadId, turn }: TurnLine, now: number): void {
    if (this.#isOwn(threadId)) {
      if (this.#book.idOf(turn.id) === undefined) this.#meter.turnBegan();
      this.#book.started(turn.id, now);
      return;
    }
    const turnId = this.#book.idOf(turn.rootTurnId) ?? this.#book.nearestId;
    const child = this.#threads.ensureChild(threadId, { parentId: undefined, turnId });
    child.codexTurnId = turn.id;
    child.meter.turnBegan();
    const data = { event: "started", id: child.parentId, thread_id: threadId, parent_id: child.parentId };
    this.#emit(progress(child.turnId, "task", data));
  }

  #turnCompleted({ threadId, turn }: TurnLine, now: number): void {
    if (this.#isOwn(threadId)) {
      this.#retryAt = undefined;
      this.#emitAll(this.#endings.completed(turn, now));
      return;
    }
    this.#emitAll(this.#endings.childCompleted(threadId, turn, now));
  }

  #itemStarted({ threadId, turnId, item }: ItemLine, now: number): void {
    const place = this.#placeOf(threadId, turnId);
    if (item.type === "userMessage") return this.#delivered(item.clientId, place);
    if (place.parentId === undefined) this.#modelAnswers();
    this.#emitAll(this.#agent.started(item, place, now));
  }

  #itemCompleted({ threadId, turnId, item }: ItemLine, now: number): void {
    const place = this.#placeOf(threadId, turnId);
    switch (item.type) {
      case "userMessage":
        return this.#delivered(item.clientId, place);
      case "contextCompaction":
        return this.#emit({
          type: "system",
          data: { subtype: "compaction", turn_id: place.turnId, ...parentOf(place) },
        });
      case "plan":
        return this.#emit(progress(place.turnId, "plan", { text: item.text ?? "", ...parentOf(place) }));
      default:
    }
    if (item.type === "agentMessage" && place.parentId === undefined && item.text) {
      const turn = this.#book.running;
      if (turn?.id === place.turnId) turn.text = item.text;
    }
    const model = place.parentId === undefined ? this.#model : undefined;
    this.#emitAll(this.#agent.completed(item, { ...place, model }, now));
    for (const child of receiversOf(item))
      if (child !== this.#threads.main) this.#threads.ensureChild(child, { parentId: item.id, turnId: place.turnId });
    this.#emitAll(this.#endings.callEnded(now));
  }

  /** A message has reached the model. What the model was writing is thrown away for it. */
  #delivered(messageId: string | null | undefined, { threadId, turnId }: Place): void {
    if (!messageId || !this.#steers.delete(messageId)) return;
    this.#emitAll(this.#agent.textCut(threadId));
    this.#emit(progress(turnId, "input_delivered", { input: "steer" }));
  }

  #usage({ threadId, tokenUsage }: UsageLine): void {
    if (this.#isOwn(threadId)) this.#meter.reported(tokenUsage);
    else this.#threads.child(threadId)?.meter.reported(tokenUsage);
  }

  #error({ threadId, turnId, error, willRetry }: ErrorLine, now: number): void {
    const place = this.#placeOf(threadId, turnId);
    const turn = place.parentId === undefined ? this.#book.running : undefined;
    const failure = failureOf(error, turn?.failure);
    if (turn) turn.failure = failure;
    if (!willRetry) {
      // The end of the turn says the same; without a turn nothing else will.
      if (!turn && place.parentId === undefined) this.#emitAll(this.#endings.complain(failure));
      return;
    }
    if (turn) this.#retrying(turn, failure, now);
    this.#emitAll(this.#agent.textCut(place.threadId));
    // `Reconnecting... 2/5`: for people to read, nothing depends on it.
    const [, limit] = /\d+\/(\d+)$/.exec(error.message) ?? [];
    this.#emit(
      progress(place.turnId, "retry", {
        ...(turn ? { attempt: turn.retries } : {}),
        ...(limit ? { max_attempts: Number(limit) } : {}),
        http_status: failure.status ?? null,
        // Without a status it may have been nobody's answer as well as a failing server's (0.169.0).
        ...(failure.category && failure.status !== null ? { error_category: failure.category } : {}),
        ...(error.additionalDetails ? { message: error.additionalDetails } : {}),
        ...parentOf(place),
      }),
    );
  }

  #retrying(turn: Turn, failure: Failure, now: number): void {
    this.#retryAt = now;
    turn.retries++;
    if (failure.category !== "auth_error" && failure.category !== "permission_denied") return;
    turn.refusals++;
    if (turn.refusals < refusalsMax) return;
    turn.refusal ??= failure;
  }

  /** The model is heard: a retry has gone well, and a round has begun. */
  #modelAnswers(): void {
    this.#retryAt = undefined;
    const turn = this.#book.running;
    if (!turn) return;
    turn.retries = 0;
    if (this.#meter.rounds >= this.#roundsMax) turn.interrupt ??= { reason: "limit", detail: "max_turns" };
  }

  #isOwn(threadId: string): boolean {
    return threadId === this.#threads.main;
  }

  /** A sub-agent's lines belong to the turn that called it, also when they come after that. */
  #placeOf(threadId: string | null | undefined, codexTurnId: string | null | undefined): Place {
    const turnId = this.#book.idOf(codexTurnId) ?? this.#book.nearestId;
    if (!threadId || this.#isOwn(threadId)) return { threadId: threadId ?? "", turnId, parentId: undefined };
    const child = this.#threads.child(threadId);
    if (child) return { threadId, turnId: child.turnId, parentId: child.parentId };
    return { threadId, turnId, parentId: threadId };
  }

  #remember(id: string, sent: Sent): void {
    this.#sent.set(id, sent);
    const [oldest] = this.#sent.keys();
    if (this.#sent.size > sentMax && oldest !== undefined) this.#sent.delete(oldest);
  }

  /** The line goes with the first of its events. */
  #emit(event: SessionEvent): void {
    this.#outputs.push(this.#line === undefined ? { event } : { event, raw: this.#line });
    this.#line = undefined;
  }

  #emitAll(events: readonly SessionEvent[]): void {
    for (const event of events) this.#emit(event);
  }
}
