/** The turn that runs: what begins it, what is sent into it, what its steps mean, and when it is over. Pure. */
import type { InterruptReason } from "../../src/protocol/command.ts";
import type { EventOf } from "../../src/protocol/event.ts";
import { BoundedMap } from "../bounded-memory.ts";
import { progress } from "../facts.ts";
import { errorEvent, type Failure } from "../failure.ts";
import type { Outbox } from "../outbox.ts";
import type { Asked } from "./asked.ts";
import type { Places } from "./places.ts";
import type { StepFinish } from "./raw.ts";
import type { Retries } from "./retries.ts";
import type { TextParts } from "./text-parts.ts";
import type { ToolParts } from "./tool-parts.ts";
import { Turn } from "./turn.ts";

export interface TurnKeeperOptions {
  out: Outbox;
  places: Places;
  texts: TextParts;
  tools: ToolParts;
  asked: Asked;
  retries: Retries;
  /** Steps of one turn. */
  stepsMax: number | undefined;
  /** The turn is to be aborted. */
  onGivingUp(): void;
}

/** After the first `idle` of an aborted turn its last parts are still to come (1.18.33). */
const flushMs = 1_000;
/** A message sent around the end of a turn begins a run of its own. */
const owedMs = 3_000;

export class TurnKeeper {
  readonly #options: TurnKeeperOptions;
  readonly #steps = new BoundedMap<true>();
  /** Messages that were stored and whose turn was interrupted before the model had them. */
  readonly #unread = new BoundedMap<true>();
  #turn: Turn | undefined;
  /** Of the last turn that was asked for. */
  #askedId = "t0";
  #agentTurns = 0;
  #failure: Failure | undefined;

  constructor(options: TurnKeeperOptions) {
    this.#options = options;
  }

  get running(): Turn | undefined {
    return this.#turn;
  }

  /** Why the last turn failed. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  prompted({ turnId, inputId }: { turnId: string; inputId: string }, now: number): void {
    const turn = new Turn({ id: turnId, startedAt: now, isAgents: false });
    turn.inputs.set(inputId, { isSteer: false, isDelivered: false });
    this.#turn = turn;
    this.#askedId = turnId;
    this.#options.places.turnId = turnId;
    this.#agentTurns = 0;
  }

  /** A message could not be sent. A turn that was begun with it is over. */
  refused(inputId: string, failure: Failure, now: number): void {
    const turn = this.#turn;
    const input = turn?.inputs.get(inputId);
    if (!turn || !input) return;
    turn.inputs.delete(inputId);
    if (input.isSteer) return this.#options.out.emit(errorEvent(failure, turn.id));
    turn.failure = failure;
    this.#end(turn, now);
  }

  interrupted(reason: InterruptReason, detail: string | undefined): void {
    if (this.#turn) this.#turn.interrupt ??= { reason, detail };
  }

  /** The main agent calls the model: a turn is under way, what was sent is read, and a failure before it was no end. */
  beginStep(
    message: { id: string; parentID?: string | null | undefined; model: string | undefined },
    now: number,
  ): void {
    const turn = this.#turn ?? this.#agentsTurn(now);
    if (this.#unread.has(message.parentID ?? "") && !turn.interrupt) {
      // The interrupt came before the program had begun with it.
      turn.interrupt = { reason: "user", detail: undefined };
      this.#options.onGivingUp();
    }
    turn.hasBegun = true;
    turn.steps++;
    turn.openMessages.add(message.id);
    delete turn.failure;
    delete turn.endsAt;
    if (message.model !== undefined) turn.model = message.model;
    const delivered = turn.deliver(message.parentID ?? "");
    for (let i = 0; i < delivered; i++)
      this.#options.out.emit(progress(turn.id, "input_delivered", { input: "steer" }));
  }

  stored(inputId: string, messageId: string): void {
    this.#turn?.stored(inputId, messageId);
    if (this.#turn?.inputs.has(inputId)) delete this.#turn.endsAt;
  }

  stepFinished(part: StepFinish & { id: string }, place: { turnId: string; parentId: string | undefined }): void {
    const turn = this.#turn;
    if (this.#steps.has(part.id) || !turn || place.turnId !== turn.id) return;
    this.#steps.set(part.id, true);
    turn.addStep(part);
    const { stepsMax } = this.#options;
    const isLast = stepsMax !== undefined && turn.steps >= stepsMax && part.reason === "tool-calls";
    if (!isLast || place.parentId !== undefined || turn.interrupt) return;
    turn.interrupt = { reason: "limit", detail: "max_turns" };
    this.#options.onGivingUp();
  }

  /** The conversation works again. */
  busy(): void {
    if (this.#turn?.openMessages.size === 0) delete this.#turn.endsAt;
  }

  idle(now: number): void {
    const turn = this.#turn;
    // The echo of an earlier turn's end comes before the first word of this one.
    if (!turn?.hasBegun) return;
    this.#options.retries.over();
    if (turn.openMessages.size > 0) turn.endsAt ??= now + flushMs;
    else if (turn.isOwed) turn.endsAt ??= now + owedMs;
    else this.#end(turn, now);
  }

  /** The program has stopped what it did because it was told to. */
  aborted(): void {
    if (this.#turn && !this.#turn.isGivenUp) this.#turn.interrupt ??= { reason: "stop", detail: "aborted" };
  }

  /** Returns what is left to be told when there is no turn that it could be the end of. */
  failed(failure: Failure, now: number): EventOf<"system"> | undefined {
    const turn = this.#turn;
    if (!turn) return { type: "system", data: { subtype: "agent_error", message: failure.message.slice(0, 8192) } };
    if (turn.isGivenUp) return undefined;
    // A second one repeats the first with a stack trace (1.18.33).
    turn.failure ??= failure;
    // An unknown agent gets no turn at all, and so no end of one (1.18.33).
    if (!turn.hasBegun) turn.endsAt ??= now + flushMs;
    return undefined;
  }

  /** Its retries have no end. */
  giveUp(failure: Failure): void {
    const turn = this.#turn;
    if (!turn || turn.interrupt || turn.isGivenUp) return;
    turn.failure = failure;
    turn.isGivenUp = true;
    this.#options.onGivingUp();
  }

  /** What was to come has had its time. */
  tick(now: number): void {
    const turn = this.#turn;
    if (!turn || turn.endsAt === undefined || now < turn.endsAt) return;
    this.#end(turn, now);
  }

  /** The agent is gone. */
  agentEnded(reason: string, now: number): void {
    if (this.#turn) this.#end(this.#turn, now, reason);
  }

  #agentsTurn(now: number): Turn {
    this.#agentTurns++;
    this.#turn = new Turn({ id: `${this.#askedId}.${this.#agentTurns}`, startedAt: now, isAgents: true });
    this.#options.places.turnId = this.#turn.id;
    return this.#turn;
  }

  #end(turn: Turn, now: number, aborted?: string): void {
    const { out, places, texts, tools, asked, retries } = this.#options;
    retries.over();
    out.emitAll([...texts.abandon({ turnId: turn.id }), ...tools.abandon({ turnId: turn.id }, now)]);
    out.emitAll(asked.abort(turn.id));
    const end = { now, ...(aborted === undefined ? {} : { aborted }) };
    const result = turn.result(places.main ?? "", end);
    this.#failure = result.data.status === "error" ? turn.failure : undefined;
    if (this.#failure) out.emit(errorEvent(this.#failure, turn.id));
    this.#turn = undefined;
    for (const messageId of turn.unreadMessages) this.#unread.set(messageId, true);
    out.emit(result);
  }
}
