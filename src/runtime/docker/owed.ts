/**
 * Sessions that ended while the engine was away: their containers may still be there, and what they made with them. It is tried
 * again until the engine is back; what a daemon leaves undone, the next one finds.
 */
const tryEveryMs = 10_000;

export class Owed {
  readonly #sweep: (sessionId: string) => Promise<{ isAway: boolean }>;
  readonly #everyMs: number;
  readonly #ids = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isTrying = false;
  /** The one that is swept now. */
  #current: { id: string; over: Promise<void> } | undefined;

  /** `sweep` says whether the engine was away for some of it; what else stood in the way is not for us to try again. */
  constructor(sweep: (sessionId: string) => Promise<{ isAway: boolean }>, everyMs = tryEveryMs) {
    this.#sweep = sweep;
    this.#everyMs = everyMs;
  }

  add(sessionId: string): void {
    this.#ids.add(sessionId);
    this.#timer ??= setInterval(() => void this.#try(), this.#everyMs).unref();
  }

  /** It is there again: once this resolves, nothing is taken from it any more for the one before. */
  async drop(sessionId: string): Promise<void> {
    this.#forget(sessionId);
    if (this.#current?.id === sessionId) await this.#current.over;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #forget(sessionId: string): void {
    this.#ids.delete(sessionId);
    if (this.#ids.size === 0) this.close();
  }

  async #try(): Promise<void> {
    if (this.#isTrying) return;
    this.#isTrying = true;
    for (const id of [...this.#ids]) {
      // Each sweep takes its time: meanwhile this one may have been dropped.
      if (!this.#ids.has(id)) continue;
      const over = this.#tryOne(id);
      this.#current = { id, over };
      await over;
      this.#current = undefined;
    }
    this.#isTrying = false;
  }

  async #tryOne(id: string): Promise<void> {
    try {
      if (!(await this.#sweep(id)).isAway) this.#forget(id);
    } catch {
      // Told when it was first found; the next try may be luckier.
    }
  }
}
