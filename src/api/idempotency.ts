/** Same key and body: the first answer again. In memory, bounded in time and number. */
import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { AgentdError } from "../protocol/error.ts";

export interface Answer {
  status: number;
  body: unknown;
}

const keptMs = 24 * 60 * 60 * 1000;
const keysMax = 10_000;

export class Idempotency {
  readonly #kept = new Map<string, { body: string; answer: Promise<Answer>; at: number }>();

  /** Runs `act` once for each Idempotency-Key; without a key, always. An answer that failed is not kept. */
  async once(request: FastifyRequest, act: () => Promise<Answer>): Promise<Answer> {
    const key = request.headers["idempotency-key"];
    if (typeof key !== "string" || key === "") return act();
    if (key.length > 256) throw new AgentdError("invalid_request", "Idempotency-Key must be at most 256 characters");
    this.#forgetOld();
    const id = `${request.method} ${request.url} ${key}`;
    const body = createHash("sha256")
      .update(JSON.stringify(request.body ?? null))
      .digest("base64");
    const known = this.#kept.get(id);
    if (known) {
      if (known.body !== body)
        throw new AgentdError(
          "idempotency_conflict",
          `Cannot use the Idempotency-Key ${JSON.stringify(key)} again: it was sent with another body. Use a new key`,
        );
      return known.answer;
    }
    const answer = act();
    this.#kept.set(id, { body, answer, at: Date.now() });
    answer.catch(() => this.#kept.delete(id));
    return answer;
  }

  /** A Map keeps the order of insertion, so the oldest come first. */
  #forgetOld(): void {
    const oldest = Date.now() - keptMs;
    for (const [id, { at }] of this.#kept) {
      if (at >= oldest && this.#kept.size < keysMax) return;
      this.#kept.delete(id);
    }
  }
}
