/** The turns that are open: the first one is running, others wait for it. One accepted prompt ends in one `result`. */
import type { Image } from "../../src/protocol/agent-options.ts";
import type { InterruptReason } from "../../src/protocol/command.ts";
import type { ErrorCategory, EventOf, TurnStatus, Usage } from "../../src/protocol/event.ts";

/** A piece of a message: text, or a picture. */
export type Said = string | Image;

export interface Turn {
  readonly id: string;
  readonly startedAt: number;
  /** What the next `session/prompt` says, not sent yet: of the prompt itself, or of steers. */
  pending: Said[];
  /** Steers among them. */
  pendingSteers: number;
  /** The `session/prompt` that is to be answered. */
  requestId: number | undefined;
  /** Steers in it that the agent has not been seen to have taken in. */
  unconfirmed: number;
  isCancelling: boolean;
  interrupt: { reason: InterruptReason; detail: string | undefined } | undefined;
  /** Prompts of it that were answered. */
  answers: number;
}

export class Turns {
  readonly #open: Turn[] = [];
  #lastId = "t0";

  get running(): Turn | undefined {
    return this.#open[0];
  }

  get open(): readonly Turn[] {
    return this.#open;
  }

  /** For what belongs to no turn in particular. */
  get nearestId(): string {
    return this.running?.id ?? this.#lastId;
  }

  add(prompt: { turnId: string; said: Said[] }, now: number): void {
    this.#open.push({
      id: prompt.turnId,
      startedAt: now,
      pending: prompt.said,
      pendingSteers: 0,
      requestId: undefined,
      unconfirmed: 0,
      isCancelling: false,
      interrupt: undefined,
      answers: 0,
    });
  }

  close(turn: Turn): void {
    const at = this.#open.indexOf(turn);
    if (at !== -1) this.#open.splice(at, 1);
    this.#lastId = turn.id;
  }
}

/** How a turn ended, and why. */
export interface Outcome {
  status: TurnStatus;
  reason?: string;
  category?: ErrorCategory | undefined;
}

/** The word for a turn that was cut short: by whom, and why. */
export function interruptedAs({ interrupt }: Turn): Outcome {
  switch (interrupt?.reason) {
    case "limit":
      return { status: "limit", reason: interrupt.detail ?? "limit" };
    case "stop":
      return { status: "aborted", reason: interrupt.detail ?? "stopped" };
    default:
      return { status: "interrupted" };
  }
}

export interface Figures {
  usage: Usage;
  costUsd: number | null;
  text: string | undefined;
  model: string | undefined;
  sessionId: string;
}

export function resultEvent(turn: Turn, outcome: Outcome, figures: Figures, now: number): EventOf<"result"> {
  const { status, reason, category } = outcome;
  const { text, model } = figures;
  return {
    type: "result",
    data: {
      turn_id: turn.id,
      session_id: figures.sessionId,
      status,
      ...(status !== "error" && text !== undefined ? { text } : {}),
      cost_usd: figures.costUsd,
      duration_ms: Math.max(0, now - turn.startedAt),
      // Rounds with the model are not told; each prompt of ours that was answered is one at least.
      num_turns: turn.answers,
      usage: figures.usage,
      ...(model === undefined ? {} : { model }),
      ...(reason === undefined ? {} : { reason }),
      ...(status === "error" && category ? { error_category: category } : {}),
    },
  };
}
