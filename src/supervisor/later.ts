/** What could not be done because a runtime did not answer: tried again until it is. */
export const tryEverySeconds = 10;

export class Later {
  readonly #acts = new Map<string, () => Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #trying: Promise<void> | undefined;
  #isClosed = false;

  /** One a session: the newest. An act that rejects is tried again. */
  add(sessionId: string, act: () => Promise<void>): void {
    if (this.#isClosed) return;
    this.#acts.set(sessionId, act);
    this.#timer ??= setInterval(() => this.#begin(), tryEverySeconds * 1000).unref();
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#trying;
  }

  #begin(): void {
    this.#trying ??= this.#tryAll().finally(() => {
      this.#trying = undefined;
    });
  }

  async #tryAll(): Promise<void> {
    for (const [id, act] of [...this.#acts]) {
      if (this.#isClosed) return;
      try {
        await act();
        if (this.#acts.get(id) === act) this.#acts.delete(id);
      } catch {
        // Told when it first failed; the next try may be luckier.
      }
    }
    if (this.#acts.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
