/**
 * Same key and body: the first answer again, also after a restart. What was set out to do is on disk before it is
 * begun, the answer before it is given; when a daemon dies between the two, the sessions themselves say what came of it.
 */
import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { AgentdError, OpenOutcome } from "../protocol/error.ts";
import type { AnswerBook, AnswerKey, EarlierClaim, KeptAnswer } from "../store/store.ts";
import { callerOf } from "./guard.ts";

/** A request that must not be carried out twice. */
export interface OnceOnly<Intent> {
  /** What is to be done, chosen before it is done, so that it can be found again. */
  intent: Intent;
  /** `mark` is of a request with a key, and of no other: what comes of it bears it, to be found again by. */
  act(intent: Intent, mark?: string): Promise<KeptAnswer>;
  /** What came of it, if anything; asked only when whoever began it gave no answer. */
  recall(claim: { intent: unknown; mark: string }): Promise<Recalled>;
}

/** `nothing`: it was not begun, or left nothing behind, and may be done now. */
export type Recalled = { was: "done"; answer: KeptAnswer } | { was: "nothing" };

const keptMs = 24 * 60 * 60 * 1000;
const keysMax = 100_000;
const keyLengthMax = 256;
/** Old ones are looked for so often. */
const forgetEveryMs = 60_000;

export class Idempotency {
  readonly #book: AnswerBook;
  /** Requests that this daemon is carrying out. What is claimed and not here was claimed by one that is dead. */
  readonly #underWay = new Map<string, { bodyHash: string; answer: Promise<KeptAnswer> }>();
  #forgotAt = 0;

  constructor(book: AnswerBook) {
    this.#book = book;
  }

  /** Acts once for each Idempotency-Key; without a key, always. An answer that failed is not kept: it is begun again, or looked for. */
  async once<Intent>(request: FastifyRequest, once: OnceOnly<Intent>): Promise<KeptAnswer> {
    const key = request.headers["idempotency-key"];
    if (typeof key !== "string" || key === "") return once.act(once.intent);
    if (key.length > keyLengthMax)
      throw new AgentdError("invalid_request", `Idempotency-Key must be at most ${keyLengthMax} characters`);
    // Two tokens may choose the same key, and are not to learn each other's answers.
    const { tokenId } = callerOf(request);
    const named = { scope: `${request.method} ${request.url}${tokenId === undefined ? "" : ` by ${tokenId}`}`, key };
    const bodyHash = createHash("sha256")
      .update(JSON.stringify(request.body ?? null))
      .digest("base64");
    const id = `${named.scope} ${key}`;
    const known = this.#underWay.get(id);
    if (known) {
      checkBody(key, known.bodyHash, bodyHash);
      return known.answer;
    }
    const answer = this.#answer(named, bodyHash, once);
    this.#underWay.set(id, { bodyHash, answer });
    try {
      return await answer;
    } finally {
      this.#underWay.delete(id);
    }
  }

  async #answer<Intent>(key: AnswerKey, bodyHash: string, once: OnceOnly<Intent>): Promise<KeptAnswer> {
    await this.#forgetOld();
    const earlier = await this.#book.claim(key, { bodyHash, intent: once.intent, at: Date.now() });
    if (earlier) {
      checkBody(key.key, earlier.bodyHash, bodyHash);
      return earlier.answer ?? (await this.#takeUp(key, earlier, once));
    }
    return this.#act(key, once.intent, once);
  }

  /** Claimed by a daemon that died over it. */
  async #takeUp<Intent>(key: AnswerKey, earlier: EarlierClaim, once: OnceOnly<Intent>): Promise<KeptAnswer> {
    const recalled = await once.recall({ intent: earlier.intent, mark: markOf(key) });
    if (recalled.was === "done") {
      await this.#book.keep(key, recalled.answer);
      return recalled.answer;
    }
    // With an intent of this time: what comes of it is to be found again too.
    await this.#book.release(key);
    await this.#book.claim(key, { bodyHash: earlier.bodyHash, intent: once.intent, at: Date.now() });
    return this.#act(key, once.intent, once);
  }

  async #act<Intent>(key: AnswerKey, intent: Intent, once: OnceOnly<Intent>): Promise<KeptAnswer> {
    let answer: KeptAnswer;
    try {
      answer = await once.act(intent, markOf(key));
    } catch (error) {
      // What may have come about is not begun again: whoever asks next is answered by what is found of it.
      if (!(error instanceof OpenOutcome)) await this.#book.release(key);
      throw error;
    }
    await this.#book.keep(key, answer);
    return answer;
  }

  async #forgetOld(): Promise<void> {
    const now = Date.now();
    if (now - this.#forgotAt < forgetEveryMs) return;
    this.#forgotAt = now;
    await this.#book.forget({ before: now - keptMs, countMax: keysMax });
  }
}

/** A digest: the key itself is its sender's affair. */
function markOf({ scope, key }: AnswerKey): string {
  return createHash("sha256")
    .update(JSON.stringify([scope, key]))
    .digest("base64url");
}

function checkBody(key: string, first: string, now: string): void {
  if (first === now) return;
  throw new AgentdError(
    "idempotency_conflict",
    `Cannot use the Idempotency-Key ${JSON.stringify(key)} again: it was sent with another body. Use a new key`,
  );
}
