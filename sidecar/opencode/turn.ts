/** One turn: what was sent into it, what its steps cost, why it failed, and how it ends. */
import type { InterruptReason } from "../../src/protocol/command.ts";
import { type EventOf, noUsage, type TurnStatus, type Usage } from "../../src/protocol/event.ts";
import type { Failure } from "../failure.ts";
import type { StepFinish } from "./raw.ts";

/** A message we send; the program shows it again with our mark in it. */
interface Input {
  isSteer: boolean;
  /** Its id, once the program has stored it. */
  messageId?: string;
  /** A call of the model has been made with it. */
  isDelivered: boolean;
}

export class Turn {
  readonly id: string;
  readonly startedAt: number;
  readonly isAgents: boolean;
  /** Oldest first. */
  readonly inputs = new Map<string, Input>();
  /** Assistant messages that are still being written. */
  readonly openMessages = new Set<string>();
  interrupt?: { reason: InterruptReason; detail: string | undefined };
  /** The last call of the model failed, or the turn did before there was one. */
  failure?: Failure;
  /** We ended it, because its retries had no end. */
  isGivenUp = false;
  /** A person would not answer; the program ends the turn then. */
  isDeclined = false;
  /** The program has taken it up. */
  hasBegun = false;
  /** Unix ms after which it is over, whatever else is still to come. */
  endsAt?: number;
  finish?: string;
  model?: string;
  text?: string;
  structured?: unknown;
  steps = 0;
  #usage: Usage = noUsage;
  #cost = 0;

  constructor(start: { id: string; startedAt: number; isAgents: boolean }) {
    this.id = start.id;
    this.startedAt = start.startedAt;
    this.isAgents = start.isAgents;
  }

  /** Something was sent that the model has not had; after an interrupt or a failure it is not waited for. */
  get isOwed(): boolean {
    if (this.interrupt || this.failure) return false;
    return [...this.inputs.values()].some(({ isDelivered }) => !isDelivered);
  }

  /** What it was interrupted before. */
  get unreadMessages(): string[] {
    if (!this.interrupt) return [];
    return [...this.inputs.values()].flatMap(({ isDelivered, messageId }) =>
      isDelivered || messageId === undefined ? [] : [messageId],
    );
  }

  stored(inputId: string, messageId: string): void {
    const input = this.inputs.get(inputId);
    if (!input) return;
    this.hasBegun = true;
    input.messageId ??= messageId;
  }

  /** The model is called with this message, and so with all before it. Returns how many steers that delivers. */
  deliver(messageId: string): number {
    const inputs = [...this.inputs.values()];
    const last = inputs.findIndex((input) => input.messageId === messageId);
    let steers = 0;
    for (const [i, input] of inputs.entries()) {
      // A turn's first call of the model is with its prompt.
      if (input.isDelivered || (i > last && input.isSteer)) continue;
      input.isDelivered = true;
      if (input.isSteer) steers++;
    }
    return steers;
  }

  addStep({ tokens, cost }: StepFinish): void {
    const { input, output, reasoning, cache } = tokens;
    const usage = this.#usage;
    this.#usage = {
      input_tokens: usage.input_tokens + input,
      // As the model services count: thinking is output.
      output_tokens: usage.output_tokens + output + reasoning,
      cache_read_input_tokens: usage.cache_read_input_tokens + cache.read,
      cache_creation_input_tokens: usage.cache_creation_input_tokens + cache.write,
    };
    this.#cost += cost;
  }

  result(sessionId: string, end: { now: number; aborted?: string }): EventOf<"result"> {
    const { status, reason } = this.#outcome(end.aborted);
    const category = status === "error" ? this.failure?.category : undefined;
    return {
      type: "result",
      data: {
        turn_id: this.id,
        session_id: sessionId,
        status,
        ...(this.text === undefined ? {} : { text: this.text }),
        cost_usd: this.#costUsd,
        duration_ms: Math.max(0, end.now - this.startedAt),
        num_turns: this.steps,
        usage: this.#usage,
        ...(this.isAgents ? { origin: "agent" } : {}),
        ...(this.model === undefined ? {} : { model: this.model }),
        ...(status === "success" && this.structured != null ? { structured_output: this.structured } : {}),
        ...(reason === undefined ? {} : { reason }),
        ...(category === undefined ? {} : { error_category: category }),
      },
    };
  }

  #outcome(aborted: string | undefined): { status: TurnStatus; reason?: string | undefined } {
    const { interrupt } = this;
    if (interrupt?.reason === "limit") return { status: "limit", reason: interrupt.detail };
    if (aborted !== undefined) return { status: "aborted", reason: aborted };
    if (this.isGivenUp) return { status: "error" };
    if (interrupt) return { status: "interrupted", reason: interrupt.detail };
    if (this.failure) return { status: "error" };
    if (this.isDeclined) return { status: "interrupted", reason: "a question was declined" };
    return { status: "success", ...(this.finish === "length" ? { reason: "output_limit" } : {}) };
  }

  /** The program says 0 for a model whose price it does not know. */
  get #costUsd(): number | null {
    const tokens = Object.values(this.#usage).reduce((sum, count) => sum + count, 0);
    if (this.#cost === 0 && tokens > 0) return null;
    // Sums of dollars end in noise; a millionth of a cent is finer than any price.
    return Math.round(this.#cost * 1e8) / 1e8;
  }
}
