/**
 * Lines of an ACP agent → events, with a small memory. Pure: it does no I/O and reads no clock, and it never throws for
 * what a line says. `push` as many lines as one read brought, then `take` what came of them. Lines for the agent are
 * among what comes: a permission may be answered at once, and a turn that was cancelled for a steer goes on.
 */
import type { InputAnswer, InterruptReason } from "../../src/protocol/command.ts";
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SidecarStatus } from "../../src/protocol/link-frame.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { plainLine, progress, unknownLine } from "../facts.ts";
import { errorEvent, type Failure } from "../failure.ts";
import type { HarnessOutput, Waiting } from "../harness.ts";
import { readChunk } from "./chunk.ts";
import { failureOf } from "./failure.ts";
import {
  currentValue,
  Handshake,
  type HandshakeOptions,
  type Move,
  optionFor,
  type SessionFacts,
} from "./handshake.ts";
import { OpenText } from "./open-text.ts";
import {
  cancelLine,
  methodNotFound,
  prompt,
  type Request,
  refusalLine,
  requestLine,
  setModel,
  setOption,
} from "./outgoing.ts";
import { Permissions } from "./permissions.ts";
import { type ChunkUpdate, PromptAnswer, type Raw, RawUsage, type RpcError, readRaw, type Update } from "./raw.ts";
import { initEvent, noteEvent, optionsOf, toldFailure } from "./session-notes.ts";
import { ToolUpdates } from "./tool-updates.ts";
import { interruptedAs, type Outcome, resultEvent, type Turn, Turns } from "./turns.ts";
import { UsageMeter } from "./usage-meter.ts";

/** What came of the lines and commands since the last `take`. */
export interface Effects {
  outputs: HarnessOutput[];
  isStatusNew: boolean;
  /** To write to the agent. */
  lines: string[];
}

type Phase = { is: "opening" } | { is: "ready"; facts: SessionFacts } | { is: "failed" };

/** Refused without a word: agents may try although we said that we cannot. */
const declined = /^(fs|terminal)\//;

export class Normalizer {
  readonly #options: HandshakeOptions;
  readonly #handshake: Handshake;
  readonly #turns = new Turns();
  readonly #text = new OpenText();
  readonly #tools = new ToolUpdates();
  readonly #permissions = new Permissions();
  readonly #usage: UsageMeter;
  #phase: Phase = { is: "opening" };
  #outputs: HarnessOutput[] = [];
  #lines: string[] = [];
  #lastRequestId = 0;
  #handshakeId: number | undefined;
  /** Changes of the model that were asked for and not answered, by request. */
  readonly #modelRequests = new Map<number, string>();
  #permissionMode: PermissionMode;
  #sessionId: string | undefined;
  #model: string | undefined;
  #turnFailure: { failure: Failure | undefined; isFatal: boolean } | undefined;
  #failure: Failure | undefined;
  #shown = "";
  #shownUsage = "";
  #wasCutShort = false;
  #line: string | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#handshake = new Handshake(options);
    this.#sessionId = options.config.fork_session ? undefined : options.config.resume_session;
    this.#usage = new UsageMeter({ isResumed: options.config.resume_session !== undefined });
    this.#permissionMode = options.config.permission_mode ?? "autonomous";
  }

  get agentSessionId(): string | undefined {
    return this.#sessionId;
  }

  get isReady(): boolean {
    return this.#phase.is === "ready";
  }

  /** The session could not be opened; nothing will come of this agent. */
  get hasFailed(): boolean {
    return this.#phase.is === "failed";
  }

  /** What the handshake waits for. */
  get step(): string {
    return this.#handshake.step;
  }

  get running(): Turn | undefined {
    return this.#turns.running;
  }

  /** Why the last turn or the start failed, for the end of the agent. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  get isExecuting(): boolean {
    return this.#tools.isExecuting;
  }

  get status(): Partial<SidecarStatus> {
    const turn = this.#turns.running;
    return {
      activity: turn ? "busy" : "idle",
      turn_id: turn?.id ?? null,
      background: 0,
      ...(this.#sessionId === undefined ? {} : { agent_session_id: this.#sessionId }),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    };
  }

  get waiting(): Waiting {
    const turn = this.#turns.running;
    if (!turn || this.#phase.is !== "ready") return { on: "nothing" };
    const names = this.#tools.openNames(turn.id);
    return names.length > 0 ? { on: "tool", names } : { on: "model" };
  }

  /** A turn was cut short while a command may have been running; told once. */
  takeCutShort(): boolean {
    this.#line = undefined;
    const was = this.#wasCutShort;
    this.#wasCutShort = false;
    return was;
  }

  // What we ask of the agent.

  begin(): void {
    this.#handshakeId = this.#ask(this.#handshake.begin);
  }

  prompted(asked: { turnId: string; texts: string[] }, now: number): void {
    this.#turns.add(asked, now);
    this.#advance();
  }

  /** The prompt could not be written. */
  unprompted(turnId: string): void {
    const turn = this.#turns.open.find(({ id }) => id === turnId);
    if (turn) this.#turns.close(turn);
  }

  /** Cancels what runs; the turn goes on with these texts. Only while a turn runs that was not interrupted. */
  steered(texts: string[]): void {
    const turn = this.#turns.running;
    if (!turn) return;
    turn.pending.push(...texts);
    turn.pendingSteers++;
    this.#cancel(turn);
  }

  interrupted(reason: InterruptReason, detail: string | undefined, now: number): void {
    const turn = this.#turns.running;
    if (!turn || turn.interrupt) return;
    turn.interrupt = { reason, detail };
    turn.pending = [];
    // Nothing of it has reached the agent, so nothing will come back.
    if (turn.requestId === undefined) this.#finish(turn, interruptedAs(turn), now);
    else this.#cancel(turn);
  }

  /** Throws a sentence for people when there is no such question, or the agent cannot be told this. */
  respond(answer: InputAnswer & { requestId: string; by: string }): void {
    const { event, line } = this.#permissions.respond(answer);
    this.#line = undefined;
    this.#emit(event);
    this.#lines.push(line);
  }

  /** Throws a sentence for people when the agent offers no choice. */
  setModel(model: string): void {
    if (this.#phase.is !== "ready") throw new Error("the agent is still starting; try again in a moment");
    const { sessionId, modelBy } = this.#phase.facts;
    if (modelBy === undefined) throw new Error("this agent lets nobody choose its model");
    const request = modelBy === "models" ? setModel(sessionId, model) : setOption(sessionId, modelBy, model);
    this.#modelRequests.set(this.#ask(request), model);
  }

  setPermissionMode(mode: PermissionMode): void {
    this.#permissionMode = mode;
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
    const chunk = readChunk(value);
    if (!chunk) return this.#read(readRaw(value), line, now);
    if (this.#phase.is !== "ready") return;
    this.#noticed();
    this.#announceHeld();
    const { closed, piece } = this.#text.add(chunk, this.#turns.nearestId);
    if (closed) this.#emit(closed);
    this.#emit(piece);
  }

  stderr(line: string): void {
    this.#line = undefined;
    const text = line.trim();
    if (text !== "") this.#emit(plainLine("stderr", text));
  }

  /** The agent cannot be told anything more and is being ended. */
  gaveUp(failure: Failure): void {
    this.#line = undefined;
    this.#failure = failure;
    this.#emit(errorEvent(failure, this.#turns.running?.id));
  }

  /** An event from elsewhere, in its place among the others. */
  add(event: SessionEvent): void {
    this.#line = undefined;
    this.#emit(event);
  }

  /** The session cannot be had: what waits for it fails with it. */
  fail(failure: Failure, now: number): void {
    if (this.#phase.is === "failed") return;
    this.#phase = { is: "failed" };
    this.#emit(errorEvent(failure, this.#turns.running?.id));
    const outcome: Outcome = { status: "error", category: failure.category };
    for (const turn of [...this.#turns.open]) this.#finish(turn, turn.interrupt ? interruptedAs(turn) : outcome, now);
    this.#failure = failure;
  }

  /** The agent is gone: closes whatever is open. */
  end(reason: string, now: number): void {
    this.#line = undefined;
    for (const turn of [...this.#turns.open]) {
      this.#finish(turn, turn.interrupt?.reason === "limit" ? interruptedAs(turn) : { status: "aborted", reason }, now);
    }
    this.#closeOpen(now);
  }

  /** Only what is to be written, for a caller who wants to know whether it could be. */
  takeLines(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  take(): Effects {
    this.#line = undefined;
    // Without a turn nothing will follow that could close it.
    if (!this.#turns.running) this.#closeText();
    const outputs = this.#outputs;
    this.#outputs = [];
    return { outputs, isStatusNew: this.#hasNewStatus(), lines: this.takeLines() };
  }

  #read(raw: Raw, line: string, now: number): void {
    switch (raw.kind) {
      case "update":
        if (this.#phase.is === "ready") this.#update(raw.update, line, now);
        return;
      case "permission":
        this.#noticed();
        this.#closeText();
        return this.#asked(raw, now);
      case "request": {
        const message = `Method not found: ${raw.method.slice(0, 200)}`;
        this.#lines.push(refusalLine(raw.id, { code: methodNotFound, message }));
        return declined.test(raw.method) ? undefined : this.#emit(unknownLine(line));
      }
      case "withdrawn": {
        const { event, line: answer } = this.#permissions.withdrawn(raw.id);
        if (event) this.#emit(event);
        if (answer !== undefined) this.#lines.push(answer);
        return;
      }
      case "answer":
        return this.#answered(raw.id, raw.result, line, now);
      case "refusal":
        return this.#refused(raw.id, raw.error, line, now);
      case "unknown":
        // A replayed history may hold anything.
        return this.#phase.is === "opening" && this.#handshake.step === "open"
          ? undefined
          : this.#emit(unknownLine(line));
      default:
        raw satisfies never;
    }
  }

  #update(update: Update, line: string, now: number): void {
    switch (update.sessionUpdate) {
      case "agent_message_chunk":
      case "agent_thought_chunk":
        return this.#unusualChunk(update, line);
      case "user_message_chunk":
        return;
      case "tool_call":
      case "tool_call_update":
        this.#noticed();
        this.#closeText();
        return this.#emitAll(this.#tools.update(update, this.#turns.nearestId, now));
      case "plan":
        this.#noticed();
        return this.#emit(progress(this.#turns.nearestId, "todo", { items: update.entries }));
      case "usage_update":
        if (update.cost) this.#usage.cost(update.cost.amount, update.cost.currency);
        return this.#usageTold(update.used ?? undefined, update.size ?? undefined);
      case "session_info_update":
        this.#told(update._meta);
        break;
      case "config_option_update":
        this.#model = currentValue(optionFor(optionsOf(update), "model")) ?? this.#model;
        break;
      case "available_commands_update":
      case "current_mode_update":
      case "notice":
        break;
      default:
        update satisfies never;
    }
    const note = noteEvent(update);
    if (note) this.#emit(note);
  }

  /** Not on the hot path: an empty piece, one with counts beside it, or one that is no text. */
  #unusualChunk(update: ChunkUpdate, line: string): void {
    const { content, messageId, _meta: meta } = update;
    const counts = RawUsage.safeParse(meta?.["usage"]);
    if (counts.success) this.#usage.piece(counts.data);
    if (content.type !== "text" || typeof content.text !== "string") return this.#emit(unknownLine(line));
    if (content.text === "") return;
    this.#noticed();
    this.#announceHeld();
    const kind = update.sessionUpdate === "agent_message_chunk" ? "text" : "thought";
    const { closed, piece } = this.#text.add(
      { kind, text: content.text, messageId: messageId ?? undefined },
      this.#turns.nearestId,
    );
    if (closed) this.#emit(closed);
    this.#emit(piece);
  }

  #asked({ id, ask }: Extract<Raw, { kind: "permission" }>, now: number): void {
    const { events, call, tool } = this.#tools.asked(ask.toolCall, this.#turns.nearestId, now);
    this.#emitAll(events);
    const isAutonomous = this.#permissionMode === "autonomous";
    const { event, line } = this.#permissions.asked({ id, ask, call, tool }, isAutonomous);
    if (event) this.#emit(event);
    if (line !== undefined) this.#lines.push(line);
    // It asks although it was told to stop: it would wait for ever.
    if (this.#turns.running?.isCancelling) this.#dropQuestions();
  }

  #answered(id: string | number, result: unknown, line: string, now: number): void {
    if (id === this.#handshakeId) return this.#move(this.#handshake.answered(result), now);
    const turn = this.#turns.running;
    if (turn && id === turn.requestId) {
      const answer = PromptAnswer.safeParse(result).data ?? { stopReason: "end_turn", usage: undefined };
      this.#usage.answered(answer.usage);
      this.#noticed();
      return this.#promptOver(turn, this.#outcomeOf(answer.stopReason, turn), now);
    }
    const model = typeof id === "number" ? this.#modelRequests.get(id) : undefined;
    if (model === undefined || typeof id !== "number") return this.#emit(unknownLine(line));
    this.#modelRequests.delete(id);
    this.#model = model;
  }

  #refused(id: string | number, error: RpcError, line: string, now: number): void {
    if (id === this.#handshakeId) return this.#move(this.#handshake.refused(error), now);
    const turn = this.#turns.running;
    if (turn && id === turn.requestId) {
      this.#usage.answered(undefined);
      return this.#promptOver(turn, { failure: failureOf(error) }, now);
    }
    if (typeof id !== "number" || !this.#modelRequests.delete(id)) return this.#emit(unknownLine(line));
    const failure = failureOf(error);
    this.#emit(errorEvent({ ...failure, category: failure.category ?? "model_not_found" }, undefined));
  }

  #move(move: Move, now: number): void {
    if ("next" in move) {
      this.#handshakeId = this.#ask(move.next);
      return;
    }
    this.#handshakeId = undefined;
    if ("failed" in move) return this.fail(move.failed, now);
    const { ready } = move;
    this.#phase = { is: "ready", facts: ready };
    this.#sessionId = ready.sessionId;
    this.#model = ready.model;
    this.#tools.agentName = ready.agent.name;
    this.#emit(initEvent(ready, this.#options.workDir));
    this.#advance();
  }

  /** Sends what the running turn has to say, when the agent can hear it. */
  #advance(): void {
    const turn = this.#turns.running;
    if (!turn || this.#phase.is !== "ready" || turn.requestId !== undefined || turn.pending.length === 0) return;
    turn.requestId = this.#ask(prompt(this.#phase.facts.sessionId, turn.pending));
    turn.pending = [];
    turn.unconfirmed = turn.pendingSteers;
    turn.pendingSteers = 0;
    turn.isCancelling = false;
  }

  #cancel(turn: Turn): void {
    if (turn.requestId === undefined || turn.isCancelling || this.#phase.is !== "ready") return;
    turn.isCancelling = true;
    this.#dropQuestions();
    this.#lines.push(cancelLine(this.#phase.facts.sessionId));
  }

  #dropQuestions(): void {
    const { events, lines } = this.#permissions.cancel();
    this.#line = undefined;
    this.#emitAll(events);
    this.#lines.push(...lines);
  }

  /** The agent works on what it was last sent, so it has taken in the steers in it. */
  #noticed(): void {
    const turn = this.#turns.running;
    if (!turn || turn.unconfirmed === 0 || turn.isCancelling) return;
    for (let i = 0; i < turn.unconfirmed; i++) this.#emit(progress(turn.id, "input_delivered", { input: "steer" }));
    turn.unconfirmed = 0;
  }

  #promptOver(turn: Turn, how: Outcome | { failure: Failure }, now: number): void {
    turn.requestId = undefined;
    turn.answers++;
    if (this.#tools.isExecuting && turn.isCancelling) this.#wasCutShort = true;
    this.#closeOpen(now);
    if (turn.interrupt) return this.#finish(turn, interruptedAs(turn), now);
    // It was cancelled for these; how it ended says nothing.
    if (turn.pending.length > 0) {
      this.#turnFailure = undefined;
      return this.#advance();
    }
    if (!("failure" in how)) return this.#finish(turn, how, now);
    this.#emit(errorEvent(how.failure, turn.id));
    this.#finish(turn, { status: "error", category: how.failure.category }, now);
    this.#failure = how.failure;
  }

  #outcomeOf(stopReason: string, turn: Turn): Outcome | { failure: Failure } {
    switch (stopReason) {
      case "cancelled":
        return interruptedAs(turn);
      case "max_tokens":
      case "max_turn_requests":
        return { status: "limit", reason: stopReason };
      case "refusal":
        return {
          failure: { message: "The agent refuses to go on with this conversation", category: "invalid_request" },
        };
      default: {
        const told = this.#turnFailure;
        const message = "The agent says that its turn failed, and does not say why";
        return told?.isFatal ? { failure: told.failure ?? { message, category: undefined } } : { status: "success" };
      }
    }
  }

  #finish(turn: Turn, outcome: Outcome, now: number): void {
    this.#closeOpen(now);
    this.#turns.close(turn);
    this.#turnFailure = undefined;
    if (outcome.status === "success") this.#failure = undefined;
    const { usage, costUsd } = this.#usage.take();
    const figures = {
      usage,
      costUsd,
      text: this.#text.lastMessage,
      model: this.#model,
      sessionId: this.#sessionId ?? "",
    };
    this.#text.forget();
    this.#emit(resultEvent(turn, outcome, figures, now));
    this.#advance();
  }

  #told(meta: unknown): void {
    const told = toldFailure(meta, this.#turns.nearestId);
    if (!told) return;
    if (told.retry) this.#emit(told.retry);
    this.#turnFailure = { failure: told.failure ?? this.#turnFailure?.failure, isFatal: told.isFatal };
  }

  #usageTold(used: number | undefined, size: number | undefined): void {
    const shown = `${used}/${size}`;
    if (shown === this.#shownUsage) return;
    this.#shownUsage = shown;
    const data = { ...(used === undefined ? {} : { used }), ...(size === undefined ? {} : { size }) };
    this.#emit(progress(this.#turns.nearestId, "usage", data));
  }

  #closeOpen(now: number): void {
    this.#closeText();
    this.#emitAll(this.#tools.abandon(now));
  }

  #closeText(): void {
    const closed = this.#text.close();
    if (closed) this.#emit(closed);
  }

  #announceHeld(): void {
    if (!this.#tools.hasHeld) return;
    this.#closeText();
    this.#emitAll(this.#tools.announceAll());
  }

  #ask(request: Request): number {
    this.#lastRequestId++;
    this.#lines.push(requestLine(this.#lastRequestId, request));
    return this.#lastRequestId;
  }

  #hasNewStatus(): boolean {
    const shown = JSON.stringify(this.status);
    const isNew = shown !== this.#shown;
    this.#shown = shown;
    return isNew;
  }

  #emit(event: SessionEvent): void {
    this.#outputs.push(this.#line === undefined ? { event } : { event, raw: this.#line });
  }

  #emitAll(events: readonly SessionEvent[]): void {
    for (const event of events) this.#emit(event);
  }
}
