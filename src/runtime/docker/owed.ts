/**
 * Sessions that ended while the engine was away: their containers may still be there, and what they made with them. It is tried
 * again until the engine is back; what a daemon leaves undone, the next one finds.
 */
const tryEveryMs = 10_000;

export class Owed {
  readonly #sweep: (sessionId: string) => Promise<{ isAway: boolean }>;
  readonly #ids = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isTrying = false;

  /** `sweep` says whether the engine was away for some of it; what else stood in the way is not for us to try again. */
  constructor(sweep: (sessionId: string) => Promise<{ isAway: boolean }>) {
    this.#sweep = sweep;
  }

  add(sessionId: string): void {
    this.#ids.add(sessionId);
    this.#timer ??= setInterval(() => void this.#try(), tryEveryMs).unref();
  }

  /** It is swept, or there again. */
  drop(sessionId: string): void {
    this.#ids.delete(sessionId);
    if (this.#ids.size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #try(): Promise<void> {
    if (this.#isTrying) return;
    this.#isTrying = true;
    for (const id of [...this.#ids]) {
      try {
        if (!(await this.#sweep(id)).isAway) this.drop(id);
      } catch {
        // Told when it was first found; the next try may be luckier.
      }
    }
    this.#isTrying = false;
  }
}
