/** Turn ids of prompts and steers that came: a daemon that lost its link asks again, and what was taken is not taken twice. */

/** How many are remembered; a daemon has one or two on their way. */
const takenMax = 1000;

export class TakenTurns {
  /** Ids under which prompts and steers came → the turns they became part of. */
  readonly #taken = new Map<string, string>();
  #count = 0;
  #last = 0;

  /** The highest number among the ids that came: whoever numbers turns must go on from there. */
  get last(): number {
    return this.#last;
  }

  of(asked: string | undefined): string | undefined {
    return asked === undefined ? undefined : this.#taken.get(asked);
  }

  /** The id of a turn, made up when whoever asks has none. */
  idFor(asked: string | undefined): string {
    this.#count++;
    return asked ?? `t${this.#count}`;
  }

  remember(asked: string, turnId: string): string {
    this.#taken.set(asked, turnId);
    this.#last = Math.max(this.#last, Number(/^t(\d{1,15})$/.exec(asked)?.[1] ?? 0));
    const [oldest] = this.#taken.keys();
    if (this.#taken.size > takenMax && oldest !== undefined) this.#taken.delete(oldest);
    return turnId;
  }
}
