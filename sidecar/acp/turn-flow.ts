/**
 * The turns of an ACP agent from prompt to result: what the running one has still to say, its cancelling, steers that
 * were taken in, and how it ends. Pure.
 */
import type { InterruptReason } from "../../src/protocol/command.ts";
import { progress } from "../facts.ts";
import { errorEvent, type Failure } from "../failure.ts";
import type { Outbox } from "../outbox.ts";
import type { Dialogue } from "./dialogue.ts";
import type { OpenText } from "./open-text.ts";
import { cancelLine, prompt } from "./outgoing.ts";
import type { Permissions } from "./permissions.ts";
import { toldFailure } from "./session-notes.ts";
import type { ToolUpdates } from "./tool-updates.ts";
import { interruptedAs, type Outcome, resultEvent, type Said, type Turn, Turns } from "./turns.ts";
import type { UsageMeter } from "./usage-meter.ts";

export interface TurnFlowOptions {
  out: Outbox;
  dialogue: Dialogue;
  text: OpenText;
  tools: ToolUpdates;
  permissions: Permissions;
  usage: UsageMeter;
  /** Of the conversation, once it can be spoken to. */
  readySessionId(): string | undefined;
  /** Whether it says that it takes pictures. */
  takesImages(): boolean;
  /** For the results. */
  facts(): { model: string | undefined; sessionId: string };
}

const imagesRefused: Failure = {
  message: "This agent takes no images: it does not say so in its promptCapabilities. Send the prompt without them",
  category: "invalid_request",
};

export class TurnFlow {
  readonly #options: TurnFlowOptions;
  readonly #turns = new Turns();
  #turnFailure: { failure: Failure | undefined; isFatal: boolean } | undefined;
  #wasCutShort = false;
  /** Why the last turn or the start failed, for the end of the agent. */
  failure: Failure | undefined;

  constructor(options: TurnFlowOptions) {
    this.#options = options;
  }

  get running(): Turn | undefined {
    return this.#turns.running;
  }

  get nearestId(): string {
    return this.#turns.nearestId;
  }

  /** A turn was cut short while a command may have been running; told once. */
  takeCutShort(): boolean {
    const was = this.#wasCutShort;
    this.#wasCutShort = false;
    return was;
  }

  prompted(asked: { turnId: string; said: Said[] }, now: number): void {
    this.#turns.add(asked, now);
    this.advance(now);
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

  /** Sends what the running turn has to say, when the agent can hear it. */
  advance(now: number): void {
    const turn = this.#turns.running;
    const sessionId = this.#options.readySessionId();
    if (!turn || sessionId === undefined || turn.requestId !== undefined || turn.pending.length === 0) return;
    if (turn.pending.some((said) => typeof said !== "string") && !this.#options.takesImages())
      return this.#fail(turn, imagesRefused, now);
    turn.requestId = this.#options.dialogue.ask(prompt(sessionId, turn.pending));
    turn.pending = [];
    turn.unconfirmed = turn.pendingSteers;
    turn.pendingSteers = 0;
    turn.isCancelling = false;
  }

  dropQuestions(): void {
    const { out, dialogue, permissions } = this.#options;
    const { events, lines } = permissions.cancel();
    out.addAll(events);
    dialogue.say(...lines);
  }

  /** The agent works on what it was last sent, so it has taken in the steers in it. */
  noticed(): void {
    const turn = this.#turns.running;
    if (!turn || turn.unconfirmed === 0 || turn.isCancelling) return;
    for (let i = 0; i < turn.unconfirmed; i++)
      this.#options.out.emit(progress(turn.id, "input_delivered", { input: "steer" }));
    turn.unconfirmed = 0;
  }

  /** The running turn's prompt was answered. */
  answered(turn: Turn, stopReason: string, now: number): void {
    this.noticed();
    this.#promptOver(turn, this.#outcomeOf(stopReason, turn), now);
  }

  /** The running turn's prompt was refused. */
  refused(turn: Turn, failure: Failure, now: number): void {
    this.#promptOver(turn, { failure }, now);
  }

  /** What the agent tells of a failure beside its answer. */
  told(meta: unknown): void {
    const told = toldFailure(meta, this.#turns.nearestId);
    if (!told) return;
    if (told.retry) this.#options.out.emit(told.retry);
    this.#turnFailure = { failure: told.failure ?? this.#turnFailure?.failure, isFatal: told.isFatal };
  }

  /** Nothing will come of any of them. */
  failAll(failure: Failure, now: number): void {
    const outcome: Outcome = { status: "error", category: failure.category };
    for (const turn of [...this.#turns.open]) this.#finish(turn, turn.interrupt ? interruptedAs(turn) : outcome, now);
    this.failure = failure;
  }

  /** The agent is gone. */
  end(reason: string, now: number): void {
    for (const turn of [...this.#turns.open]) {
      this.#finish(turn, turn.interrupt?.reason === "limit" ? interruptedAs(turn) : { status: "aborted", reason }, now);
    }
    this.#closeOpen(now);
  }

  closeText(): void {
    const closed = this.#options.text.close();
    if (closed) this.#options.out.emit(closed);
  }

  #cancel(turn: Turn): void {
    const sessionId = this.#options.readySessionId();
    if (turn.requestId === undefined || turn.isCancelling || sessionId === undefined) return;
    turn.isCancelling = true;
    this.dropQuestions();
    this.#options.dialogue.say(cancelLine(sessionId));
  }

  #promptOver(turn: Turn, how: Outcome | { failure: Failure }, now: number): void {
    turn.requestId = undefined;
    turn.answers++;
    if (this.#options.tools.isExecuting && turn.isCancelling) this.#wasCutShort = true;
    this.#closeOpen(now);
    if (turn.interrupt) return this.#finish(turn, interruptedAs(turn), now);
    // It was cancelled for these; how it ended says nothing.
    if (turn.pending.length > 0) {
      this.#turnFailure = undefined;
      return this.advance(now);
    }
    if (!("failure" in how)) return this.#finish(turn, how, now);
    this.#fail(turn, how.failure, now);
  }

  #fail(turn: Turn, failure: Failure, now: number): void {
    this.#options.out.emit(errorEvent(failure, turn.id));
    this.#finish(turn, { status: "error", category: failure.category }, now);
    this.failure = failure;
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
    const { out, text, usage, facts } = this.#options;
    this.#closeOpen(now);
    this.#turns.close(turn);
    this.#turnFailure = undefined;
    if (outcome.status === "success") this.failure = undefined;
    const figures = { ...usage.take(), text: text.lastMessage, ...facts() };
    text.forget();
    out.emit(resultEvent(turn, outcome, figures, now));
    this.advance(now);
  }

  #closeOpen(now: number): void {
    this.closeText();
    this.#options.out.emitAll(this.#options.tools.abandon(now));
  }
}
