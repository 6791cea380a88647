/** What is said while a daemon is away: that it is gone, and then less and less often that it still is. */
const firstPauseMs = 5_000;
const pauseMsMax = 5 * 60_000;

export class Away {
  #since: number | undefined;
  #sayAt = 0;
  #pauseMs = firstPauseMs;

  /** An attempt has failed, at this time. Undefined when that is no news. */
  failed(reason: string, nowMs: number): string | undefined {
    if (this.#since === undefined) {
      this.#since = nowMs;
      this.#pauseMs = firstPauseMs;
      this.#sayAt = nowMs + this.#pauseMs;
      return `Connection lost (${reason}): trying again`;
    }
    if (nowMs < this.#sayAt) return undefined;
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMsMax);
    this.#sayAt = nowMs + this.#pauseMs;
    return `Still trying, for ${Math.round((nowMs - this.#since) / 1000)} s now`;
  }

  /** It answers. */
  back(): string | undefined {
    if (this.#since === undefined) return undefined;
    this.#since = undefined;
    return "Connected again";
  }
}
