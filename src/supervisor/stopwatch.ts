/** A limit on time that may stand still: it counts only while it runs. */
export class Stopwatch {
  readonly #limitMs: number;
  readonly #onLimit: () => void;
  #usedMs = 0;
  #startedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number, onLimit: () => void) {
    this.#limitMs = limitMs;
    this.#onLimit = onLimit;
  }

  run(): void {
    if (this.#startedAt !== undefined) return;
    this.#startedAt = performance.now();
    // Longer waits than setTimeout can hold (24.8 days) are cut; nobody sets them.
    const leftMs = Math.min(Math.max(0, this.#limitMs - this.#usedMs), 2 ** 31 - 1);
    this.#timer = setTimeout(this.#onLimit, leftMs);
  }

  standStill(): void {
    if (this.#startedAt === undefined) return;
    this.#usedMs += performance.now() - this.#startedAt;
    this.#startedAt = undefined;
    clearTimeout(this.#timer);
  }
}
