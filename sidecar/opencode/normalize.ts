/**
 * Events of `opencode serve` → our events, with a small memory. Pure: it does no I/O and reads no clock, and it never
 * throws for what an event says. `push` as many as one read brought, then `take` what came of them.
 */
import type { InputAnswer, InterruptReason } from "../../src/protocol/command.ts";
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SidecarStatus } from "../../src/protocol/link-frame.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { isAgentId } from "../agent-id.ts";
import { parseAgentJson } from "../agent-json.ts";
import { plainLine, progress, unknownLine } from "../facts.ts";
import type { Failure } from "../failure.ts";
import type { HarnessOutput, Waiting } from "../harness.ts";
import { Outbox } from "../outbox.ts";
import { Asked, type Asking, resolved } from "./asked.ts";
import { failureOf } from "./failure.ts";
import type { AskedBy, Reply } from "./inputs.ts";
import { Places, parentOf } from "./places.ts";
import { type AssistantInfo, type Part, type Raw, type RawError, readRaw } from "./raw.ts";
import { Retries } from "./retries.ts";
import type { ServiceAnswer } from "./status-plugin.ts";
import { type Place, TextParts } from "./text-parts.ts";
import { ToolParts } from "./tool-parts.ts";
import type { Turn } from "./turn.ts";
import { TurnKeeper } from "./turn-keeper.ts";

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

export class Normalizer {
  readonly #places = new Places();
  readonly #texts = new TextParts();
  readonly #tools = new ToolParts();
  readonly #asked: Asked;
  readonly #retries: Retries;
  readonly #keeper: TurnKeeper;
  readonly #out = new Outbox();
  #replies: Reply[] = [];
  #isGivingUp = false;
  #model: string | undefined;

  constructor(options: NormalizerOptions) {
    this.#asked = new Asked(options.permissionMode);
    this.#retries = new Retries({ attemptsMax: options.retriesMax });
    this.#keeper = new TurnKeeper({
      out: this.#out,
      places: this.#places,
      texts: this.#texts,
      tools: this.#tools,
      asked: this.#asked,
      retries: this.#retries,
      stepsMax: options.stepsMax,
      onGivingUp: () => {
        this.#isGivingUp = true;
      },
    });
  }

  get agentSessionId(): string | undefined {
    return this.#places.main;
  }

  get running(): Turn | undefined {
    return this.#keeper.running;
  }

  /** Why the last turn failed, for the end of the agent. */
  get failure(): Failure | undefined {
    return this.#keeper.failure;
  }

  /** When `tick` is due. */
  get deadline(): number | undefined {
    return this.#keeper.running?.endsAt;
  }

  get status(): Partial<SidecarStatus> {
    const turn = this.#keeper.running;
    return {
      activity: turn ? (this.#retries.dueAt === undefined ? "busy" : "retrying") : "idle",
      turn_id: turn?.id ?? null,
      ...(this.#places.main === undefined ? {} : { agent_session_id: this.#places.main }),
      ...(this.#model === undefined ? {} : { model: this.#model }),
    };
  }

  get waiting(): Waiting {
    if (!this.#keeper.running) return { on: "nothing" };
    if (this.#asked.isWaiting) return { on: "person" };
    const { dueAt } = this.#retries;
    if (dueAt !== undefined) return { on: "retry", dueAt };
    const names = this.#tools.openNames(this.#keeper.running.id);
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

  prompted(prompt: { turnId: string; inputId: string }, now: number): void {
    this.#keeper.prompted(prompt, now);
  }

  /** Only while a turn runs. */
  steered(inputId: string): void {
    this.#keeper.running?.inputs.set(inputId, { isSteer: true, isDelivered: false });
  }

  /** A message could not be sent. A turn that was begun with it is over. */
  refused(inputId: string, failure: Failure, now: number): void {
    this.#out.line = undefined;
    this.#keeper.refused(inputId, failure, now);
  }

  interrupted(reason: InterruptReason, detail: string | undefined): void {
    this.#keeper.interrupted(reason, detail);
  }

  /** Throws a sentence for people when it cannot be answered so. */
  respond(requestId: string, answer: InputAnswer, by: string): Reply {
    const { reply, input } = this.#asked.answer(requestId, answer);
    if (input.kind === "question" && answer.decision === "deny" && this.#keeper.running)
      this.#keeper.running.isDeclined = true;
    this.#out.add(resolved(requestId, answer.decision, by));
    return reply;
  }

  // What the agent said.

  push(line: string, now: number): void {
    this.#out.line = line;
    let value: unknown;
    try {
      value = parseAgentJson(line);
    } catch {
      if (line.trim() !== "") this.#out.emit(plainLine("stdout_raw", line.slice(0, 8192)));
      return;
    }
    const raw = readRaw(value);
    if (raw === "silent") return;
    if (raw === "unknown") return this.#out.emit(unknownLine(line));
    this.#read(raw, now);
  }

  /** Of a call of the model. */
  serviceAnswered(answer: ServiceAnswer): void {
    this.#retries.serviceAnswered(answer);
  }

  /** An event from elsewhere, in its place among the others. */
  add(event: SessionEvent): void {
    this.#out.add(event);
  }

  /** What was to come has had its time. */
  tick(now: number): void {
    this.#out.line = undefined;
    this.#keeper.tick(now);
  }

  /** The agent is gone: closes whatever is open. */
  end(reason: string, now: number): void {
    this.#out.line = undefined;
    this.#keeper.agentEnded(reason, now);
    this.#out.emitAll([...this.#texts.abandon("all"), ...this.#tools.abandon("all", now), ...this.#asked.abort()]);
  }

  take(): Effects {
    const effects: Effects = {
      outputs: this.#out.take(),
      isStatusNew: this.#out.isNews(this.status),
      replies: this.#replies,
      isGivingUp: this.#isGivingUp,
    };
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
        if (isMain) this.#keeper.idle(now);
        return;
      case "session.error":
        if (raw.properties.error) this.#error(raw.properties.error, isMain ? undefined : (sessionID ?? ""), now);
        return;
      case "session.compacted":
        return this.#out.emit({ type: "system", data: { subtype: "compacted" } });
      case "todo.updated": {
        const place = this.#places.of(raw.properties.sessionID);
        return this.#out.emit(progress(place.turnId, "todo", { items: raw.properties.todos, ...parentOf(place) }));
      }
      case "permission.asked":
        return this.#ask(this.#asked.permission(raw.properties, this.#askedBy(raw.properties)));
      case "question.asked":
        return this.#ask(this.#asked.question(raw.properties, this.#askedBy(raw.properties)));
      case "permission.replied":
      case "question.replied":
      case "question.rejected":
        return this.#out.emitAll(this.#asked.settled(raw.properties.requestID));
      default:
        raw satisfies never;
    }
  }

  #assistant(info: AssistantInfo, sessionID: string, now: number): void {
    const isMain = sessionID === this.#places.main;
    const isDone = typeof info.time?.completed === "number" || Boolean(info.error);
    if (!this.#places.message(info.id)) {
      // Of a turn that is over, or of a conversation before ours.
      if (isMain && !this.#keeper.running && isDone) return;
      if (isMain) {
        this.#model = modelOf(info) ?? this.#model;
        this.#keeper.beginStep({ id: info.id, parentID: info.parentID, model: this.#model }, now);
      }
      const memo = { role: "assistant", model: modelOf(info), isSummary: info.summary === true } as const;
      this.#places.remember(info.id, sessionID, memo);
    }
    const turn = this.#keeper.running;
    if (!isMain || !turn || this.#places.message(info.id)?.turnId !== turn.id) return;
    if (!isDone) return;
    turn.openMessages.delete(info.id);
    if (info.finish && !info.summary) turn.finish = info.finish;
    if (info.structured != null && !info.summary) turn.structured = info.structured;
    if (info.error && info.error.name !== "MessageAbortedError") turn.failure = failureOf(info.error);
  }

  #part(part: Part, sessionID: string, now: number): void {
    const memo = this.#places.message(part.messageID);
    if (part.type === "text" && memo?.role !== "assistant") {
      const inputId = part.metadata?.[inputMark];
      if (typeof inputId === "string") this.#keeper.stored(inputId, part.messageID);
    }
    // The echo of what was sent, or a late word of a turn that is over.
    if (memo?.role !== "assistant" || (memo.turnId !== this.#keeper.running?.id && sessionID === this.#places.main))
      return;
    const place: Place = { ...this.#places.of(sessionID), model: memo.model };
    switch (part.type) {
      case "text":
      case "reasoning": {
        if (memo.isSummary) return;
        const { event, wholeText } = this.#texts.update(part, place);
        if (event) this.#out.emit(event);
        if (wholeText !== undefined && this.#keeper.running) this.#keeper.running.text = wholeText;
        return;
      }
      case "tool": {
        const child = part.state.metadata?.["sessionId"];
        if (part.tool === "task" && isAgentId(child)) this.#places.worksFor(child, part.callID, place.turnId);
        return this.#out.emitAll(this.#tools.update(part, place, now));
      }
      case "step-start":
        // The same step again: what it had said is not part of the answer.
        this.#retries.over();
        return this.#out.emitAll(this.#texts.abandon({ messageId: part.messageID }));
      case "step-finish":
        return this.#keeper.stepFinished(part, place);
      case "other":
        return;
      default:
        part satisfies never;
    }
  }

  #delta(delta: Of<"message.part.delta">): void {
    const memo = this.#places.message(delta.messageID);
    if (delta.field !== "text" || memo?.role !== "assistant" || memo.isSummary) return;
    const place: Place = { ...this.#places.of(delta.sessionID), model: memo.model };
    if (memo.turnId !== this.#keeper.running?.id && place.parentId === undefined) return;
    const event = this.#texts.delta(delta, place);
    if (event) this.#out.emit(event);
  }

  #status({ status, sessionID }: Of<"session.status">, isMain: boolean, now: number): void {
    if (status.type === "idle") {
      if (isMain) this.#keeper.idle(now);
      return;
    }
    this.#retries.over();
    const turn = this.#keeper.running;
    if (!turn) return;
    if (isMain) this.#keeper.busy();
    if (status.type !== "retry") return;
    const { event, failure } = this.#retries.announced(status, turn.id, now);
    this.#out.emit({ type: "progress", data: { ...event.data, ...parentOf(this.#places.of(sessionID)) } });
    if (failure) this.#keeper.giveUp(failure);
  }

  #error(error: RawError, childId: string | undefined, now: number): void {
    const failure = failureOf(error);
    if (childId !== undefined) {
      const place = this.#places.of(childId);
      this.#out.emit(progress(place.turnId, "task", { event: "error", message: failure.message, ...parentOf(place) }));
      return;
    }
    if (error.name === "MessageAbortedError") return this.#keeper.aborted();
    const untold = this.#keeper.failed(failure, now);
    if (untold) this.#out.emit(untold);
  }

  #ask({ event, reply }: Asking): void {
    if (event) this.#out.emit(event);
    if (reply) this.#replies.push(reply);
  }

  #askedBy(asked: { sessionID: string; tool?: { callID: string } | null | undefined }): AskedBy {
    const callId = asked.tool?.callID;
    const place = this.#places.of(asked.sessionID);
    const { servers } = this.#tools;
    return { ...place, callId, servers, tool: callId === undefined ? undefined : this.#tools.running(callId) };
  }
}

function modelOf({ providerID, modelID }: AssistantInfo): string | undefined {
  if (!modelID) return undefined;
  return providerID ? `${providerID}/${modelID}` : modelID;
}
