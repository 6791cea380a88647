/** What keeps the agent's pipe from being read, and what opens it for good when the agent is being ended. */

/** Who holds it: a daemon that has no room, or a socket that is full. */
export type Hold = "paused" | "full";

export class RunGate {
  readonly #holds = new Set<Hold>();
  #waiters: (() => void)[] = [];
  #isLettingGo = false;

  get isHeld(): boolean {
    return this.#holds.size > 0;
  }

  get isLettingGo(): boolean {
    return this.#isLettingGo;
  }

  hold(reason: Hold): void {
    this.#holds.add(reason);
  }

  release(reason: Hold): void {
    this.#holds.delete(reason);
    if (this.#holds.size === 0) this.#wake();
  }

  /** From now on nothing is waited for. */
  letGo(): void {
    this.#isLettingGo = true;
    this.#wake();
  }

  async untilOpen(): Promise<void> {
    while (this.#holds.size > 0 && !this.#isLettingGo) await this.#change();
  }

  async untilLetGo(): Promise<void> {
    while (!this.#isLettingGo) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resume of waiters) resume();
  }
}
