/**
 * Lines of an ACP agent → events, with a small memory. Pure: it does no I/O and reads no clock, and it never throws for
 * what a line says. `push` as many lines as one read brought, then `take` what came of them. Lines for the agent are
 * among what comes: a permission may be answered at once, and a turn that was cancelled for a steer goes on.
 */
import type { InputAnswer, InterruptReason } from "../../src/protocol/command.ts";
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SidecarStatus } from "../../src/protocol/link-frame.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { parseAgentJson } from "../agent-json.ts";
import { plainLine, progress, unknownLine } from "../facts.ts";
import { errorEvent, type Failure } from "../failure.ts";
import type { HarnessOutput, Waiting } from "../harness.ts";
import { Outbox } from "../outbox.ts";
import { readChunk } from "./chunk.ts";
import { Dialogue } from "./dialogue.ts";
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
import { methodNotFound, refusalLine, setModel, setOption } from "./outgoing.ts";
import { Permissions } from "./permissions.ts";
import { type ChunkUpdate, PromptAnswer, type Raw, RawUsage, type RpcError, readRaw, type Update } from "./raw.ts";
import { initEvent, noteEvent, optionsOf } from "./session-notes.ts";
import { ToolUpdates } from "./tool-updates.ts";
import { TurnFlow } from "./turn-flow.ts";
import type { Said, Turn } from "./turns.ts";
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
/** Changes of the model that the agent has not answered; it answers at once, or never. */
const modelRequestsMax = 100;
const declined = /^(fs|terminal)\//;

export class Normalizer {
  readonly #options: HandshakeOptions;
  readonly #handshake: Handshake;
  readonly #out = new Outbox();
  readonly #dialogue = new Dialogue();
  readonly #text = new OpenText();
  readonly #tools = new ToolUpdates();
  readonly #permissions = new Permissions();
  readonly #usage: UsageMeter;
  readonly #flow: TurnFlow;
  #phase: Phase = { is: "opening" };
  #handshakeId: number | undefined;
  /** Changes of the model that were asked for and not answered, by request. */
  readonly #modelRequests = new Map<number, string>();
  #permissionMode: PermissionMode;
  #sessionId: string | undefined;
  #model: string | undefined;
  #shownUsage = "";

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#handshake = new Handshake(options);
    this.#sessionId = options.config.fork_session ? undefined : options.config.resume_session;
    this.#usage = new UsageMeter({ isResumed: options.config.resume_session !== undefined });
    this.#permissionMode = options.config.permission_mode ?? "autonomous";
    this.#flow = new TurnFlow({
      out: this.#out,
      dialogue: this.#dialogue,
      text: this.#text,
      tools: this.#tools,
      permissions: this.#permissions,
      usage: this.#usage,
      readySessionId: () => (this.#phase.is === "ready" ? this.#phase.facts.sessionId : undefined),
      takesImages: () => this.#phase.is === "ready" && this.#phase.facts.takesImages,
      facts: () => ({ model: this.#model, sessionId: this.#sessionId ?? "" }),
    });
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
    return this.#flow.running;
  }

  /** Why the last turn or the start failed, for the end of the agent. */
  get failure(): Failure | undefined {
    return this.#flow.failure;
  }

  get isExecuting(): boolean {
    return this.#tools.isExecuting;
  }

  get status(): Partial<SidecarStatus> {
    const turn = this.#flow.running;
    return {
      activity: turn ? "busy" : "idle",
      turn_id: turn?.id ?? null,
      background: 0,
      ...(this.#sessionId === undefined ? {} : { agent_session_id: this.#sessionId }),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    };
  }

  get waiting(): Waiting {
    const turn = this.#flow.running;
    if (!turn || this.#phase.is !== "ready") return { on: "nothing" };
    const names = this.#tools.openNames(turn.id);
    return names.length > 0 ? { on: "tool", names } : { on: "model" };
  }

  /** A turn was cut short while a command may have been running; told once. */
  takeCutShort(): boolean {
    this.#out.line = undefined;
    return this.#flow.takeCutShort();
  }

  // What we ask of the agent.

  begin(): void {
    this.#handshakeId = this.#dialogue.ask(this.#handshake.begin);
  }

  prompted(asked: { turnId: string; said: Said[] }, now: number): void {
    this.#flow.prompted(asked, now);
  }

  /** The prompt could not be written. */
  unprompted(turnId: string): void {
    this.#flow.unprompted(turnId);
  }

  /** Cancels what runs; the turn goes on with these texts. Only while a turn runs that was not interrupted. */
  steered(texts: string[]): void {
    this.#flow.steered(texts);
  }

  interrupted(reason: InterruptReason, detail: string | undefined, now: number): void {
    this.#flow.interrupted(reason, detail, now);
  }

  /** Throws a sentence for people when there is no such question, or the agent cannot be told this. */
  respond(answer: InputAnswer & { requestId: string; by: string }): void {
    const { event, line } = this.#permissions.respond(answer);
    this.#out.add(event);
    this.#dialogue.say(line);
  }

  /** Throws a sentence for people when the agent offers no choice. */
  setModel(model: string): void {
    if (this.#phase.is !== "ready") throw new Error("the agent is still starting; try again in a moment");
    if (this.#modelRequests.size >= modelRequestsMax)
      throw new Error(`${modelRequestsMax} changes of the model wait for the agent's answer already`);
    const { sessionId, modelBy } = this.#phase.facts;
    if (modelBy === undefined) throw new Error("this agent lets nobody choose its model");
    const request = modelBy === "models" ? setModel(sessionId, model) : setOption(sessionId, modelBy, model);
    this.#modelRequests.set(this.#dialogue.ask(request), model);
  }

  setPermissionMode(mode: PermissionMode): void {
    this.#permissionMode = mode;
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
    const chunk = readChunk(value);
    if (!chunk) return this.#read(readRaw(value), line, now);
    if (this.#phase.is !== "ready") return;
    this.#flow.noticed();
    this.#announceHeld();
    const { closed, piece } = this.#text.add(chunk, this.#flow.nearestId);
    if (closed) this.#out.emit(closed);
    this.#out.emit(piece);
  }

  stderr(line: string): void {
    this.#out.line = undefined;
    const text = line.trim();
    if (text !== "") this.#out.emit(plainLine("stderr", text));
  }

  /** The agent cannot be told anything more and is being ended. */
  gaveUp(failure: Failure): void {
    this.#flow.failure = failure;
    this.#out.add(errorEvent(failure, this.#flow.running?.id));
  }

  /** An event from elsewhere, in its place among the others. */
  add(event: SessionEvent): void {
    this.#out.add(event);
  }

  /** The session cannot be had: what waits for it fails with it. */
  fail(failure: Failure, now: number): void {
    if (this.#phase.is === "failed") return;
    this.#phase = { is: "failed" };
    this.#out.emit(errorEvent(failure, this.#flow.running?.id));
    this.#flow.failAll(failure, now);
  }

  /** The agent is gone: closes whatever is open. */
  end(reason: string, now: number): void {
    this.#out.line = undefined;
    this.#flow.end(reason, now);
  }

  /** Only what is to be written, for a caller who wants to know whether it could be. */
  takeLines(): string[] {
    return this.#dialogue.take();
  }

  take(): Effects {
    this.#out.line = undefined;
    // Without a turn nothing will follow that could close it.
    if (!this.#flow.running) this.#flow.closeText();
    return { outputs: this.#out.take(), isStatusNew: this.#out.isNews(this.status), lines: this.takeLines() };
  }

  #read(raw: Raw, line: string, now: number): void {
    switch (raw.kind) {
      case "update":
        if (this.#phase.is === "ready") this.#update(raw.update, line, now);
        return;
      case "permission":
        this.#flow.noticed();
        this.#flow.closeText();
        return this.#asked(raw, now);
      case "request": {
        const message = `Method not found: ${raw.method.slice(0, 200)}`;
        this.#dialogue.say(refusalLine(raw.id, { code: methodNotFound, message }));
        return declined.test(raw.method) ? undefined : this.#out.emit(unknownLine(line));
      }
      case "withdrawn": {
        const { event, line: answer } = this.#permissions.withdrawn(raw.id);
        if (event) this.#out.emit(event);
        if (answer !== undefined) this.#dialogue.say(answer);
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
          : this.#out.emit(unknownLine(line));
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
        this.#flow.noticed();
        this.#flow.closeText();
        return this.#out.emitAll(this.#tools.update(update, this.#flow.nearestId, now));
      case "plan":
        this.#flow.noticed();
        return this.#out.emit(progress(this.#flow.nearestId, "todo", { items: update.entries }));
      case "usage_update":
        if (update.cost) this.#usage.cost(update.cost.amount, update.cost.currency);
        return this.#usageTold(update.used ?? undefined, update.size ?? undefined);
      case "session_info_update":
        this.#flow.told(update._meta);
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
    if (note) this.#out.emit(note);
  }

  /** Not on the hot path: an empty piece, one with counts beside it, or one that is no text. */
  #unusualChunk(update: ChunkUpdate, line: string): void {
    const { content, messageId, _meta: meta } = update;
    const counts = RawUsage.safeParse(meta?.["usage"]);
    if (counts.success) this.#usage.piece(counts.data);
    if (content.type !== "text" || typeof content.text !== "string") return this.#out.emit(unknownLine(line));
    if (content.text === "") return;
    this.#flow.noticed();
    this.#announceHeld();
    const kind = update.sessionUpdate === "agent_message_chunk" ? "text" : "thought";
    const { closed, piece } = this.#text.add(
      { kind, text: content.text, messageId: messageId ?? undefined },
      this.#flow.nearestId,
    );
    if (closed) this.#out.emit(closed);
    this.#out.emit(piece);
  }

  #asked({ id, ask }: Extract<Raw, { kind: "permission" }>, now: number): void {
    const { events, call, tool } = this.#tools.asked(ask.toolCall, this.#flow.nearestId, now);
    this.#out.emitAll(events);
    const isAutonomous = this.#permissionMode === "autonomous";
    const { event, line } = this.#permissions.asked({ id, ask, call, tool }, isAutonomous);
    if (event) this.#out.emit(event);
    if (line !== undefined) this.#dialogue.say(line);
    // It asks although it was told to stop: it would wait for ever.
    if (this.#flow.running?.isCancelling) this.#flow.dropQuestions();
  }

  #answered(id: string | number, result: unknown, line: string, now: number): void {
    if (id === this.#handshakeId) return this.#move(this.#handshake.answered(result), now);
    const turn = this.#flow.running;
    if (turn && id === turn.requestId) {
      const answer = PromptAnswer.safeParse(result).data ?? { stopReason: "end_turn", usage: undefined };
      this.#usage.answered(answer.usage);
      return this.#flow.answered(turn, answer.stopReason, now);
    }
    const model = typeof id === "number" ? this.#modelRequests.get(id) : undefined;
    if (model === undefined || typeof id !== "number") return this.#out.emit(unknownLine(line));
    this.#modelRequests.delete(id);
    this.#model = model;
  }

  #refused(id: string | number, error: RpcError, line: string, now: number): void {
    if (id === this.#handshakeId) return this.#move(this.#handshake.refused(error), now);
    const turn = this.#flow.running;
    if (turn && id === turn.requestId) {
      this.#usage.answered(undefined);
      return this.#flow.refused(turn, failureOf(error), now);
    }
    if (typeof id !== "number" || !this.#modelRequests.delete(id)) return this.#out.emit(unknownLine(line));
    const failure = failureOf(error);
    this.#out.emit(errorEvent({ ...failure, category: failure.category ?? "model_not_found" }, undefined));
  }

  #move(move: Move, now: number): void {
    if ("next" in move) {
      this.#handshakeId = this.#dialogue.ask(move.next);
      return;
    }
    this.#handshakeId = undefined;
    if ("failed" in move) return this.fail(move.failed, now);
    const { ready } = move;
    this.#phase = { is: "ready", facts: ready };
    this.#sessionId = ready.sessionId;
    this.#model = ready.model;
    this.#tools.agentName = ready.agent.name;
    this.#out.emit(initEvent(ready, this.#options.workDir));
    this.#flow.advance(now);
  }

  #usageTold(used: number | undefined, size: number | undefined): void {
    const shown = `${used}/${size}`;
    if (shown === this.#shownUsage) return;
    this.#shownUsage = shown;
    const data = { ...(used === undefined ? {} : { used }), ...(size === undefined ? {} : { size }) };
    this.#out.emit(progress(this.#flow.nearestId, "usage", data));
  }

  #announceHeld(): void {
    if (!this.#tools.hasHeld) return;
    this.#flow.closeText();
    this.#out.emitAll(this.#tools.announceAll());
  }
}
