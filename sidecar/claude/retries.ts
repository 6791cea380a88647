/** The CLI's own retries of the model: what it waits for, and when waiting is pointless. */
import type { EventOf } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import { categoryOf } from "./failure.ts";
import type { ApiRetry } from "./raw.ts";
import type { TurnBook } from "./turn-book.ts";

/** A refused key is retried for minutes (2.1.329); the second refusal is believed, as one may be a hiccup of the service. */
const authRetriesMax = 2;

export class Retries {
  #dueAt: number | undefined;

  /** When the next try is due; undefined when none is awaited. */
  get dueAt(): number | undefined {
    return this.#dueAt;
  }

  over(): void {
    this.#dueAt = undefined;
  }

  /** `isHopeless`, once a turn: interrupt it. */
  announced(line: ApiRetry, book: TurnBook, now: number): { event: EventOf<"progress">; isHopeless: boolean } {
    this.#dueAt = now + line.retry_delay_ms;
    const status = line.error_status ?? null;
    const category = categoryOf({ word: line.error, status });
    const event = progress(book.nearestId, "retry", {
      attempt: line.attempt,
      max_attempts: line.max_retries,
      delay_ms: Math.round(line.retry_delay_ms),
      http_status: status,
      ...(category ? { error_category: category } : {}),
    });
    const turn = book.running;
    if (!turn || category !== "auth_error") return { event, isHopeless: false };
    turn.authRetries++;
    if (turn.authRetries < authRetriesMax || turn.failure) return { event, isHopeless: false };
    turn.failure = { message: "The model service does not accept the key or the login", category, status };
    return { event, isHopeless: true };
  }
}
