/** What a session may cost: whether another prompt may be given. Pure. */
import type { EventOf } from "../protocol/event.ts";

export class Budget {
  readonly #maxUsd: number | undefined;
  #usd = 0;
  #unknownTurn: string | undefined;

  /** Without a number there is no limit. */
  constructor(maxUsd: number | undefined) {
    this.#maxUsd = maxUsd;
  }

  /** What the session has cost so far, and its first turn of which that is not known. */
  restore(usd: number, unknownTurn: string | undefined): void {
    this.#usd = usd;
    this.#unknownTurn = unknownTurn;
  }

  /** Counts a turn that has ended. */
  note(result: EventOf<"result">["data"]): void {
    this.#usd += result.cost_usd ?? 0;
    if (isUnpriced(result)) this.#unknownTurn ??= result.turn_id;
  }

  /** Why no more prompts may be given, if so. */
  get spent(): string | undefined {
    if (this.#maxUsd === undefined) return undefined;
    if (this.#usd >= this.#maxUsd) return "max_budget_usd";
    if (this.#unknownTurn === undefined) return undefined;
    return `max_budget_usd: what turn ${this.#unknownTurn} has cost is not known, so the budget cannot be held`;
  }
}

/** A result of the daemon's own, for a prompt that never reached the agent, is made without figures. */
export function isUnpriced({ cost_usd, duration_ms, num_turns }: EventOf<"result">["data"]): boolean {
  return cost_usd === null && (duration_ms > 0 || num_turns > 0);
}
