/** Messages for a running turn on their way: too early for its name, sent, or come too late. None of them is lost. */
import { randomUUID } from "node:crypto";
import type { Turn } from "./turn-book.ts";

/** What Codex is asked: it takes a steer only under the name of the turn that runs. */
export interface Steer {
  expectedTurnId: string;
  messageId: string;
  input: object[];
}

export interface SteersOptions {
  /** Sends it and returns the id of the request. Throws when it cannot be sent. */
  send(steer: Steer): string;
}

export class Steers {
  readonly #options: SteersOptions;
  readonly #sent = new Map<string, Steer & { isSecondTry: boolean }>();
  #early: object[][] = [];
  #leftOver: object[][] = [];

  constructor(options: SteersOptions) {
    this.#options = options;
  }

  /** Some wait for a turn of their own. */
  get isLeftOver(): boolean {
    return this.#leftOver.length > 0;
  }

  add(turn: Turn, input: object[]): void {
    if (turn.codexId === undefined) this.#early.push(input);
    else this.#send(turn.codexId, input, false);
  }

  /** Codex replied to a request, which may be one of ours: the turn was over before the steer came, or takes none. */
  replied(id: string, isRefused: boolean, running: Turn | undefined): void {
    const steer = this.#sent.get(id);
    this.#sent.delete(id);
    // What was meant for a turn that was told to end goes with it.
    if (!steer || !isRefused || running?.interrupt) return;
    const codexId = running?.codexId;
    if (codexId !== undefined && codexId !== steer.expectedTurnId && !steer.isSecondTry)
      this.#send(codexId, steer.input, true);
    else this.#leftOver.push(steer.input);
  }

  /** The turn has its name now. */
  sendEarly(codexId: string): void {
    const early = this.#early;
    this.#early = [];
    for (const input of early) this.#send(codexId, input, false);
  }

  /** No turn runs: the next that needs one of its own. */
  takeLeftOver(): object[] | undefined {
    const [next, ...others] = [...this.#early, ...this.#leftOver];
    this.#early = [];
    this.#leftOver = others;
    return next;
  }

  #send(expectedTurnId: string, input: object[], isSecondTry: boolean): void {
    const steer: Steer = { expectedTurnId, messageId: randomUUID(), input };
    this.#sent.set(this.#options.send(steer), { ...steer, isSecondTry });
  }
}
