/** HTTP calls that tell how far they have come, so that somebody can be killed at that very moment. */
import { request as httpRequest } from "node:http";
import type { Served } from "./kept-daemon.ts";

export const steps = [
  "create",
  "prompt",
  "steer",
  "approve",
  "interrupt",
  "withdraw",
  "stop",
  "delete",
  "message",
] as const;
export type Step = (typeof steps)[number];

/**
 * `sent`: the request has left us. `under way`: so much of the time is over that such a step takes. `answered`: the first
 * bytes of the answer are here.
 */
export const moments = ["sent", "under way", "answered"] as const;
export type Moment = (typeof moments)[number];

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  body: any;
}

export interface Call {
  method: string;
  path: string;
  body?: unknown;
  /** What it is a step of; a mere look is none. */
  step?: Step;
  /** Its Idempotency-Key. */
  key?: string;
}

const answerMs = 60_000;

export class Caller {
  readonly #served: () => Promise<Served>;
  readonly #onMoment: (step: Step, moment: Moment) => void;
  /** What the steps took lately. */
  readonly #usualMs = new Map<Step, number>();
  #sent = 0;

  constructor(served: () => Promise<Served>, onMoment: (step: Step, moment: Moment) => void) {
    this.#served = served;
    this.#onMoment = onMoment;
  }

  /** The whole answer; undefined when there was none, and nobody knows what became of the request. */
  async call(call: Call): Promise<Answer | undefined> {
    const { url, token } = await this.#served();
    const { step, key } = call;
    const begunAt = performance.now();
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    return new Promise((resolve) => {
      const request = httpRequest(url + call.path, {
        method: call.method,
        agent: false,
        timeout: answerMs,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(key === undefined ? {} : { "idempotency-key": key }),
        },
      });
      request.on("response", (response) => {
        if (step) this.#onAnswered(step, performance.now() - begunAt);
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", () => resolve(undefined));
        response.on("close", () => {
          if (!response.complete) resolve(undefined);
          else resolve({ status: response.statusCode ?? 0, body: parsed(text) });
        });
      });
      request.on("timeout", () => request.destroy(new Error("no answer")));
      request.on("error", () => resolve(undefined));
      request.end(body, () => {
        if (step) this.#onSent(step);
      });
    });
  }

  #onSent(step: Step): void {
    this.#onMoment(step, "sent");
    // Another part of it each time: what a daemon does first, and what last.
    const part = ((++this.#sent * 7) % 10) / 10;
    setTimeout(() => this.#onMoment(step, "under way"), part * (this.#usualMs.get(step) ?? 5));
  }

  #onAnswered(step: Step, tookMs: number): void {
    this.#usualMs.set(step, 0.7 * (this.#usualMs.get(step) ?? tookMs) + 0.3 * tookMs);
    this.#onMoment(step, "answered");
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
