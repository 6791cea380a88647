/**
 * Events of `opencode serve` → our events, with a small memory. Pure: it does no I/O and reads no clock, and it never
 * throws for what an event says. `push` as many as one read brought, then `take` what came of them.
 */
import type { InputAnswer, InterruptReason } from "../../src/protocol/command.ts";
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SidecarStatus } from "../../src/protocol/link-frame.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { plainLine, progress, unknownLine } from "../facts.ts";
import { errorEvent, type Failure } from "../failure.ts";
import type { HarnessOutput, Waiting } from "../harness.ts";
import { Asked, type Asking, resolved } from "./asked.ts";
import { BoundedMap } from "./bounded-memory.ts";
import { failureOf } from "./failure.ts";
import type { AskedBy, Reply } from "./inputs.ts";
import { Places, parentOf } from "./places.ts";
import { type AssistantInfo, type Part, type Raw, type RawError, readRaw } from "./raw.ts";
import { Retries } from "./retries.ts";
import { type Place, TextParts } from "./text-parts.ts";
import { ToolParts } from "./tool-parts.ts";
import { Turn } from "./turn.ts";

/** What came of the events since the last `take`. */
export interface Effects {
  outputs: HarnessOutput[];
  /** The status is another one than at the last `take`. */
  isStatusNew: boolean;
  /** Questions to answer without a person. */
  replies: Reply[];
  /** The turn is to be aborted: its retries or its steps are too many. */
  isGivingUp: boolean;
}

export interface NormalizerOptions {
  permissionMode: PermissionMode;
  /** Retries of one call of the model. */
  retriesMax: number;
  /** Steps of one turn. */
  stepsMax?: number | undefined;
}

type Of<T extends Raw["type"]> = Extract<Raw, { type: T }>["properties"];

/** The mark in the part that holds what we sent. */
export const inputMark = "agentruntime";

/** After the first `idle` of an aborted turn its last parts are still to come (1.18.33). */
const flushMs = 1_000;
/** A message sent around the end of a turn begins a run of its own. */
const owedMs = 3_000;

export class Normalizer {
  readonly #options: NormalizerOptions;
  readonly #places = new Places();
  readonly #texts = new TextParts();
  readonly #tools = new ToolParts();
  readonly #asked: Asked;
  readonly #retries: Retries;
  readonly #steps = new BoundedMap<true>();
  /** Messages that were stored and whose turn was interrupted before the model had them. */
  readonly #unread = new BoundedMap<true>();
  #outputs: HarnessOutput[] = [];
  #replies: Reply[] = [];
  #isGivingUp = false;
  #shown = "";
  #turn: Turn | undefined;
  /** Of the last turn that was asked for. */
  #askedId = "t0";
  #agentTurns = 0;
  #model: string | undefined;
  #failure: Failure | undefined;
  #line: string | undefined;

  constructor(options: NormalizerOptions) {
    this.#options = options;
    this.#asked = new Asked(options.permissionMode);
    this.#retries = new Retries({ attemptsMax: options.retriesMax });
  }

  get agentSessionId(): string | undefined {
    return this.#places.main;
  }

  get running(): Turn | undefined {
    return this.#turn;
  }

  /** Why the last turn failed, for the end of the agent. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** When `tick` is due. */
  get deadline(): number | undefined {
    return this.#turn?.endsAt;
  }

  get status(): Partial<SidecarStatus> {
    const turn = this.#turn;
    return {
      activity: turn ? (this.#retries.dueAt === undefined ? "busy" : "retrying") : "idle",
      turn_id: turn?.id ?? null,
      ...(this.#places.main === undefined ? {} : { agent_session_id: this.#places.main }),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    };
  }

  get waiting(): Waiting {
    if (!this.#turn) return { on: "nothing" };
    if (this.#asked.isWaiting) return { on: "person" };
    const { dueAt } = this.#retries;
    if (dueAt !== undefined) return { on: "retry", dueAt };
    const names = this.#tools.openNames(this.#turn.id);
    return names.length > 0 ? { on: "tool", names } : { on: "model" };
  }

  set servers(names: readonly string[]) {
    this.#tools.servers = names;
  }

  set permissionMode(mode: PermissionMode) {
    this.#asked.mode = mode;
  }

  // What we asked of the agent.

  opened(sessionId: string): void {
    this.#places.main = sessionId;
  }

  prompted({ turnId, inputId }: { turnId: string; inputId: string }, now: number): void {
    const turn = new Turn({ id: turnId, startedAt: now, isAgents: false });
    turn.inputs.set(inputId, { isSteer: false, isDelivered: false });
    this.#turn = turn;
    this.#askedId = turnId;
    this.#places.turnId = turnId;
    this.#agentTurns = 0;
  }

  /** Only while a turn runs. */
  steered(inputId: string): void {
    this.#turn?.inputs.set(inputId, { isSteer: true, isDelivered: false });
  }

  /** A message could not be sent. A turn that was begun with it is over. */
  refused(inputId: string, failure: Failure, now: number): void {
    this.#line = undefined;
    const turn = this.#turn;
    const input = turn?.inputs.get(inputId);
    if (!turn || !input) return;
    turn.inputs.delete(inputId);
    if (input.isSteer) return this.#emit(errorEvent(failure, turn.id));
    turn.failure = failure;
    this.#endTurn(turn, now);
  }

  interrupted(reason: InterruptReason, detail: string | undefined): void {
    if (this.#turn) this.#turn.interrupt ??= { reason, detail };
  }

  /** Throws a sentence for people when it cannot be answered so. */
  respond(requestId: string, answer: InputAnswer, by: string): Reply {
    const { reply, input } = this.#asked.answer(requestId, answer);
    this.#line = undefined;
    if (input.kind === "question" && answer.decision === "deny" && this.#turn) this.#turn.isDeclined = true;
    this.#emit(resolved(requestId, answer.decision, by));
    return reply;
  }

  // What the agent said.

  push(line: string, now: number): void {
    this.#line = line;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      if (line.trim() !== "") this.#emit(plainLine("stdout_raw", line.slice(0, 8192)));
      return;
    }
    const raw = readRaw(value);
    if (raw === "silent") return;
    if (raw === "unknown") return this.#emit(unknownLine(line));
    this.#read(raw, now);
  }

  /** Of a call of the model; null when nobody answered. */
  httpStatus(status: number | null): void {
    this.#retries.httpStatus(status);
  }

  /** An event from elsewhere, in its place among the others. */
  add(event: SessionEvent): void {
    this.#line = undefined;
    this.#emit(event);
  }

  /** What was to come has had its time. */
  tick(now: number): void {
    const turn = this.#turn;
    if (!turn || turn.endsAt === undefined || now < turn.endsAt) return;
    this.#line = undefined;
    this.#endTurn(turn, now);
  }

  /** The agent is gone: closes whatever is open. */
  end(reason: string, now: number): void {
    this.#line = undefined;
    const turn = this.#turn;
    if (turn) this.#endTurn(turn, now, reason);
    this.#emitAll([...this.#texts.abandon("all"), ...this.#tools.abandon("all", now), ...this.#asked.abort()]);
  }

  take(): Effects {
    const status = JSON.stringify(this.status);
    const effects: Effects = {
      outputs: this.#outputs,
      isStatusNew: status !== this.#shown,
      replies: this.#replies,
      isGivingUp: this.#isGivingUp,
    };
    this.#shown = status;
    this.#outputs = [];
    this.#replies = [];
    this.#isGivingUp = false;
    return effects;
  }

  #read(raw: Raw, now: number): void {
    const { sessionID } = raw.properties;
    if (raw.type === "session.created")
      return this.#places.began(raw.properties.sessionID, raw.properties.info.parentID ?? "");
    const isMain = sessionID === this.#places.main || (raw.type === "session.error" && typeof sessionID !== "string");
    if (!isMain && !this.#places.isOurs(sessionID ?? "")) return;
    switch (raw.type) {
      case "message.updated": {
        const { info } = raw.properties;
        if (info.role === "assistant") return this.#assistant(info, raw.properties.sessionID, now);
        if (!this.#places.message(info.id)) this.#places.remember(info.id, raw.properties.sessionID, { role: "user" });
        return;
      }
      case "message.part.updated":
        return this.#part(raw.properties.part, raw.properties.sessionID, now);
      case "message.part.delta":
        return this.#delta(raw.properties);
      case "session.status":
        return this.#status(raw.properties, isMain, now);
      case "session.idle":
        if (isMain) this.#idle(now);
        return;
      case "session.error":
        if (raw.properties.error) this.#error(raw.properties.error, isMain ? undefined : (sessionID ?? ""), now);
        return;
      case "session.compacted":
        return this.#emit({ type: "system", data: { subtype: "compacted" } });
      case "todo.updated": {
        const place = this.#places.of(raw.properties.sessionID);
        return this.#emit(progress(place.turnId, "todo", { items: raw.properties.todos, ...parentOf(place) }));
      }
      case "permission.asked":
        return this.#ask(this.#asked.permission(raw.properties, this.#askedBy(raw.properties)));
      case "question.asked":
        return this.#ask(this.#asked.question(raw.properties, this.#askedBy(raw.properties)));
      case "permission.replied":
      case "question.replied":
      case "question.rejected":
        return this.#emitAll(this.#asked.settled(raw.properties.requestID));
      default:
        raw satisfies never;
    }
  }

  #assistant(info: AssistantInfo, sessionID: string, now: number): void {
    const isMain = sessionID === this.#places.main;
    const isDone = typeof info.time?.completed === "number" || Boolean(info.error);
    if (!this.#places.message(info.id)) {
      // Of a turn that is over, or of a conversation before ours.
      if (isMain && !this.#turn && isDone) return;
      if (isMain) this.#beginStep(info, now);
      const memo = { role: "assistant", model: modelOf(info), isSummary: info.summary === true } as const;
      this.#places.remember(info.id, sessionID, memo);
    }
    const turn = this.#turn;
    if (!isMain || !turn || this.#places.message(info.id)?.turnId !== turn.id) return;
    if (!isDone) return;
    turn.openMessages.delete(info.id);
    if (info.finish && !info.summary) turn.finish = info.finish;
    if (info.error && info.error.name !== "MessageAbortedError") turn.failure = failureOf(info.error);
  }

  /** The main agent calls the model: a turn is under way, what was sent is read, and a failure before it was no end. */
  #beginStep(info: AssistantInfo, now: number): void {
    const turn = this.#turn ?? this.#agentsTurn(now);
    if (this.#unread.has(info.parentID ?? "") && !turn.interrupt) {
      // The interrupt came before the program had begun with it.
      turn.interrupt = { reason: "user", detail: undefined };
      this.#isGivingUp = true;
    }
    turn.hasBegun = true;
    turn.steps++;
    turn.openMessages.add(info.id);
    delete turn.failure;
    delete turn.endsAt;
    this.#model = modelOf(info) ?? this.#model;
    if (this.#model !== undefined) turn.model = this.#model;
    const delivered = turn.deliver(info.parentID ?? "");
    for (let i = 0; i < delivered; i++) this.#emit(progress(turn.id, "input_delivered", { input: "steer" }));
  }

  #part(part: Part, sessionID: string, now: number): void {
    const memo = this.#places.message(part.messageID);
    if (part.type === "text" && memo?.role !== "assistant") {
      const inputId = part.metadata?.[inputMark];
      if (typeof inputId === "string") this.#stored(inputId, part.messageID);
    }
    // The echo of what was sent, or a late word of a turn that is over.
    if (memo?.role !== "assistant" || (memo.turnId !== this.#turn?.id && sessionID === this.#places.main)) return;
    const place: Place = { ...this.#places.of(sessionID), model: memo.model };
    switch (part.type) {
      case "text":
      case "reasoning": {
        if (memo.isSummary) return;
        const { event, wholeText } = this.#texts.update(part, place);
        if (event) this.#emit(event);
        if (wholeText !== undefined && this.#turn) this.#turn.text = wholeText;
        return;
      }
      case "tool": {
        const child = part.state.metadata?.["sessionId"];
        if (part.tool === "task" && typeof child === "string") this.#places.worksFor(child, part.callID, place.turnId);
        return this.#emitAll(this.#tools.update(part, place, now));
      }
      case "step-start":
        // The same step again: what it had said is not part of the answer.
        this.#retries.over();
        return this.#emitAll(this.#texts.abandon({ messageId: part.messageID }));
      case "step-finish":
        return this.#stepFinished(part, place);
      case "other":
        return;
      default:
        part satisfies never;
    }
  }

  #stored(inputId: string, messageId: string): void {
    this.#turn?.stored(inputId, messageId);
    if (this.#turn?.inputs.has(inputId)) delete this.#turn.endsAt;
  }

  #stepFinished(part: Extract<Part, { type: "step-finish" }>, place: Place): void {
    const turn = this.#turn;
    if (this.#steps.has(part.id) || !turn || place.turnId !== turn.id) return;
    this.#steps.set(part.id, true);
    turn.addStep(part);
    const { stepsMax } = this.#options;
    const isLast = stepsMax !== undefined && turn.steps >= stepsMax && part.reason === "tool-calls";
    if (!isLast || place.parentId !== undefined || turn.interrupt) return;
    turn.interrupt = { reason: "limit", detail: "max_turns" };
    this.#isGivingUp = true;
  }

  #delta(delta: Of<"message.part.delta">): void {
    const memo = this.#places.message(delta.messageID);
    if (delta.field !== "text" || memo?.role !== "assistant" || memo.isSummary) return;
    const place: Place = { ...this.#places.of(delta.sessionID), model: memo.model };
    if (memo.turnId !== this.#turn?.id && place.parentId === undefined) return;
    const event = this.#texts.delta(delta, place);
    if (event) this.#emit(event);
  }

  #status({ status, sessionID }: Of<"session.status">, isMain: boolean, now: number): void {
    if (status.type === "idle") {
      if (isMain) this.#idle(now);
      return;
    }
    this.#retries.over();
    const turn = this.#turn;
    if (!turn) return;
    if (isMain && turn.openMessages.size === 0) delete turn.endsAt;
    if (status.type !== "retry") return;
    const { event, failure } = this.#retries.announced(status, turn.id, now);
    this.#emit({ type: "progress", data: { ...event.data, ...parentOf(this.#places.of(sessionID)) } });
    if (!failure || turn.interrupt || turn.isGivenUp) return;
    turn.failure = failure;
    turn.isGivenUp = true;
    this.#isGivingUp = true;
  }

  #idle(now: number): void {
    const turn = this.#turn;
    // The echo of an earlier turn's end comes before the first word of this one.
    if (!turn?.hasBegun) return;
    this.#retries.over();
    if (turn.openMessages.size > 0) turn.endsAt ??= now + flushMs;
    else if (turn.isOwed) turn.endsAt ??= now + owedMs;
    else this.#endTurn(turn, now);
  }

  #error(error: RawError, childId: string | undefined, now: number): void {
    const failure = failureOf(error);
    const turn = this.#turn;
    if (childId !== undefined) {
      const place = this.#places.of(childId);
      this.#emit(progress(place.turnId, "task", { event: "error", message: failure.message, ...parentOf(place) }));
      return;
    }
    if (error.name === "MessageAbortedError") {
      if (turn && !turn.isGivenUp) turn.interrupt ??= { reason: "stop", detail: "aborted" };
      return;
    }
    if (!turn) {
      this.#emit({ type: "system", data: { subtype: "agent_error", message: failure.message.slice(0, 8192) } });
      return;
    }
    if (turn.isGivenUp) return;
    // A second one repeats the first with a stack trace (1.18.33).
    turn.failure ??= failure;
    // An unknown agent gets no turn at all, and so no end of one (1.18.33).
    if (!turn.hasBegun) turn.endsAt ??= now + flushMs;
  }

  #ask({ event, reply }: Asking): void {
    if (event) this.#emit(event);
    if (reply) this.#replies.push(reply);
  }

  #askedBy(asked: { sessionID: string; tool?: { callID: string } | null | undefined }): AskedBy {
    const callId = asked.tool?.callID;
    const place = this.#places.of(asked.sessionID);
    const { servers } = this.#tools;
    return { ...place, callId, servers, tool: callId === undefined ? undefined : this.#tools.running(callId) };
  }

  #agentsTurn(now: number): Turn {
    this.#agentTurns++;
    this.#turn = new Turn({ id: `${this.#askedId}.${this.#agentTurns}`, startedAt: now, isAgents: true });
    this.#places.turnId = this.#turn.id;
    return this.#turn;
  }

  #endTurn(turn: Turn, now: number, aborted?: string): void {
    this.#retries.over();
    this.#emitAll([...this.#texts.abandon({ turnId: turn.id }), ...this.#tools.abandon({ turnId: turn.id }, now)]);
    this.#emitAll(this.#asked.abort(turn.id));
    const end = { now, ...(aborted === undefined ? {} : { aborted }) };
    const result = turn.result(this.#places.main ?? "", end);
    this.#failure = result.data.status === "error" ? turn.failure : undefined;
    if (this.#failure) this.#emit(errorEvent(this.#failure, turn.id));
    this.#turn = undefined;
    for (const messageId of turn.unreadMessages) this.#unread.set(messageId, true);
    this.#emit(result);
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

function modelOf({ providerID, modelID }: AssistantInfo): string | undefined {
  if (!modelID) return undefined;
  return providerID ? `${providerID}/${modelID}` : modelID;
}
