/** The program's retries of the model, which it would go on with for ever: what it waits for, and when we stop it. */
import type { EventOf } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import type { Failure } from "../failure.ts";
import { categoryOfHttp, quotaWords } from "./failure.ts";
import type { ServiceAnswer } from "./status-plugin.ts";

/** A service may ask for hours (retry-after), and the program would wait. */
const waitMsMax = 10 * 60_000;

export interface RetryNotice {
  attempt: number;
  message?: string | null | undefined;
  /** Unix ms. */
  next: number;
}

export class Retries {
  readonly #attemptsMax: number;
  #dueAt: number | undefined;
  #lastAnswer: ServiceAnswer | undefined;

  constructor(options: { attemptsMax: number }) {
    this.#attemptsMax = options.attemptsMax;
  }

  /** When the next try is due; undefined when none is awaited. */
  get dueAt(): number | undefined {
    return this.#dueAt;
  }

  over(): void {
    this.#dueAt = undefined;
  }

  serviceAnswered(answer: ServiceAnswer): void {
    this.#lastAnswer = answer;
  }

  /** `failure`: this was one try too many. */
  announced(notice: RetryNotice, turnId: string, now: number): { event: EventOf<"progress">; failure?: Failure } {
    this.#dueAt = notice.next;
    const status = this.#lastAnswer?.status;
    // An account that is used up is so at the next try as well.
    const isHopeless = this.#lastAnswer?.words.some((word) => quotaWords.has(word)) ?? false;
    const known = status === undefined ? undefined : categoryOfHttp(status);
    const category = isHopeless ? "quota" : known;
    const message = notice.message ?? "The model service did not answer as it should";
    const delayMs = Math.max(0, Math.round(notice.next - now));
    const http = typeof status === "number" && status >= 400 ? { http_status: status } : {};
    const event = progress(turnId, "retry", {
      attempt: notice.attempt,
      max_attempts: this.#attemptsMax,
      delay_ms: delayMs,
      message: message.slice(0, 1000),
      ...http,
      ...(category ? { error_category: category } : {}),
    });
    if (!isHopeless && notice.attempt <= this.#attemptsMax && delayMs <= waitMsMax) return { event };
    return { event, failure: { message, category, ...(http.http_status ? { status: http.http_status } : {}) } };
  }
}
