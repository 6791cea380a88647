/**
 * Somebody who must have an answer: the same request with the same Idempotency-Key goes out again, to whichever daemon is
 * up, until it is answered. However often it was sent, it counts once, and what was answered once is answered again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Call, Caller } from "./caller.ts";
import type { Random } from "./random.ts";

/** What came of it first: every later answer must be this one. */
export interface Kept {
  call: Call & { key: string };
  answer: Answer;
}

export interface InsistenceFigures {
  /** Requests that had a key. */
  keyed: number;
  /** How often one was sent again because nobody had answered, or the daemon was leaving or had no room. */
  again: number;
  /** How often one was sent once more although it had been answered. */
  onceMore: number;
}

const attemptsMax = 40;

export class Insistence {
  readonly #caller: Caller;
  readonly figures: InsistenceFigures = { keyed: 0, again: 0, onceMore: 0 };
  /** Creations that no daemon had answered when the accidents ended. */
  readonly unanswered: { call: Call & { key: string }; made(answer: Answer): unknown }[] = [];

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** The answer; undefined when there is none before `isOver`. */
  async send(call: Call & { key: string }, random: Random, isOver: () => boolean): Promise<Answer | undefined> {
    this.figures.keyed += 1;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (attempt > 0) this.figures.again += 1;
      const answer = await this.#caller.call(call);
      if (answer && (answer.status < 500 || answer.body?.error === "outcome_unknown")) return answer;
      if (isOver()) return undefined;
      await sleep(random.between(10, 200));
    }
    return undefined;
  }

  /** Sends it once more. What is wrong with the answer; undefined when nothing is, or when there is none just now. */
  async check({ call, answer: first }: Kept): Promise<string | undefined> {
    this.figures.onceMore += 1;
    const answer = await this.#caller.call(call);
    if (!answer || answer.status >= 500) return undefined;
    const [was, is] = [first, answer].map(({ status, body }) =>
      JSON.stringify([status, body?.session_id, body?.turn_id]),
    );
    return was === is
      ? undefined
      : `${call.method} ${call.path} with the key ${call.key} was answered ${was}, then ${is}`;
  }
}
