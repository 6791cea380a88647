/** How many requests and frames each caller may send: so many a second, and at once as many as it did not send in the last two. */
import { AgentdError } from "../protocol/error.ts";
import type { Caller } from "./caller.ts";

interface Bucket {
  left: number;
  filledAtMs: number;
}

const burstSeconds = 2;

export class RequestRate {
  readonly #perSecond: number;
  /** By token. Those that are full say nothing and are dropped, so there are no more than tokens in use. */
  readonly #buckets = new Map<string, Bucket>();

  /** 0 is no limit. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Throws `rate_limited` for one too many. */
  take({ name, tokenId = name }: Caller, nowMs = performance.now()): void {
    if (this.#perSecond === 0) return;
    const bucket = this.#filled(tokenId, nowMs);
    if (bucket.left < 1) {
      const seconds = (1 - bucket.left) / this.#perSecond;
      throw new AgentdError(
        "rate_limited",
        `Cannot take so many requests and frames of "${name}": ${this.#perSecond} a second are permitted (limits.token_requests). Try again in ${seconds.toFixed(3)} s`,
        { details: { retry_after: seconds } },
      );
    }
    bucket.left -= 1;
  }

  #filled(key: string, nowMs: number): Bucket {
    const full = this.#perSecond * burstSeconds;
    const bucket = this.#buckets.get(key) ?? { left: full, filledAtMs: nowMs };
    bucket.left = Math.min(full, bucket.left + ((nowMs - bucket.filledAtMs) / 1000) * this.#perSecond);
    bucket.filledAtMs = nowMs;
    // Tokens come and go: of those that have rested nothing need be remembered.
    if (!this.#buckets.has(key)) this.#forgetRested(nowMs);
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #forgetRested(nowMs: number): void {
    for (const [key, { filledAtMs }] of this.#buckets)
      if (nowMs - filledAtMs > burstSeconds * 1000) this.#buckets.delete(key);
  }
}
