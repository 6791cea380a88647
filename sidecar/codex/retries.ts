/** Calls of the model that failed and are tried again. Pure. */
import type { EventOf } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import type { Failure } from "../failure.ts";
import { type Place, parentOf } from "./agent-output.ts";
import type { ErrorLine } from "./raw.ts";
import type { Turn } from "./turn-book.ts";

/** A refused key is retried for a while (0.169.0); the second refusal is believed, as one may be a hiccup of the service. */
const refusalsMax = 2;

export class Retries {
  #dueAt: number | undefined;

  /** Since when one is under way. */
  get dueAt(): number | undefined {
    return this.#dueAt;
  }

  over(): void {
    this.#dueAt = undefined;
  }

  /** `turn` is the running one when it is the session's own thread that tries again. */
  announced(
    error: ErrorLine["error"],
    { place, turn, failure }: { place: Place; turn: Turn | undefined; failure: Failure },
    now: number,
  ): EventOf<"progress"> {
    if (turn) this.#count(turn, failure, now);
    // `Reconnecting... 2/5`: for people to read, nothing depends on it.
    const [, limit] = /\d+\/(\d+)$/.exec(error.message) ?? [];
    return progress(place.turnId, "retry", {
      ...(turn ? { attempt: turn.retries } : {}),
      ...(limit ? { max_attempts: Number(limit) } : {}),
      http_status: failure.status ?? null,
      // Without a status it may have been nobody's answer as well as a failing server's (0.169.0).
      ...(failure.category && failure.status !== null ? { error_category: failure.category } : {}),
      ...(error.additionalDetails ? { message: error.additionalDetails } : {}),
      ...parentOf(place),
    });
  }

  #count(turn: Turn, failure: Failure, now: number): void {
    this.#dueAt = now;
    turn.retries++;
    if (failure.category !== "auth_error" && failure.category !== "permission_denied") return;
    turn.refusals++;
    if (turn.refusals < refusalsMax) return;
    turn.refusal ??= failure;
  }
}
