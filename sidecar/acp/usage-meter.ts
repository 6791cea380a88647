/** Tokens and dollars of one turn, from what agents tell in different places. */
import { noUsage, type Usage } from "../../src/protocol/event.ts";
import type { RawUsage } from "./raw.ts";

/** Sums and differences of dollars end in noise; a millionth of a cent is finer than any price. */
const roundUsd = (usd: number): number => Math.round(usd * 1e8) / 1e8;

export class UsageMeter {
  #turn: Usage = { ...noUsage };
  /** Counts beside pieces of text, for agents that give none with their answer. */
  #pieces: Usage = { ...noUsage };
  /** The session's cost when the turn began; undefined when nobody told. */
  #costBefore: number | undefined;
  #costNow: number | undefined;

  constructor({ isResumed }: { isResumed: boolean }) {
    // What a resumed conversation had cost before is not told until it costs more.
    this.#costBefore = isResumed ? undefined : 0;
    this.#costNow = this.#costBefore;
  }

  /** `amount` is the running total of the session. */
  cost(amount: number, currency: string | null | undefined): void {
    if ((currency ?? "USD").toUpperCase() === "USD") this.#costNow = amount;
  }

  piece(raw: RawUsage): void {
    this.#pieces = sum(this.#pieces, usageOf(raw));
  }

  /** A prompt was answered. */
  answered(raw: RawUsage | null | undefined): void {
    this.#turn = sum(this.#turn, raw ? usageOf(raw) : this.#pieces);
    this.#pieces = { ...noUsage };
  }

  /** The figures of the turn that is over; the next begins at zero. `isTold`: it got as far as an answer. */
  take(): { usage: Usage; costUsd: number | null } {
    const usage = sum(this.#turn, this.#pieces);
    const before = this.#costBefore;
    const now = this.#costNow;
    this.#turn = { ...noUsage };
    this.#pieces = { ...noUsage };
    this.#costBefore = now;
    // A total that stands at nothing was never told; one that fell has begun again.
    if (now === undefined || before === undefined || now === 0) return { usage, costUsd: null };
    return { usage, costUsd: roundUsd(now >= before ? now - before : now) };
  }
}

/** Agents differ in whether thoughts and cached tokens are counted in the others; their own total tells. */
function usageOf(raw: RawUsage): Usage {
  const input = raw.inputTokens ?? 0;
  const output = raw.outputTokens ?? 0;
  const thought = raw.thoughtTokens ?? 0;
  const read = raw.cachedReadTokens ?? 0;
  const written = raw.cachedWriteTokens ?? 0;
  const total = raw.totalTokens ?? 0;
  const isCacheWithin = read + written > 0 && total > 0 && total < input + output + read + written;
  const apart = total - (isCacheWithin ? input : input + read + written);
  const isThoughtApart = thought > 0 && apart === output + thought;
  return {
    input_tokens: isCacheWithin ? Math.max(0, input - read - written) : input,
    output_tokens: output + (isThoughtApart ? thought : 0),
    cache_read_input_tokens: read,
    cache_creation_input_tokens: written,
  };
}

function sum(one: Usage, other: Usage): Usage {
  return {
    input_tokens: one.input_tokens + other.input_tokens,
    output_tokens: one.output_tokens + other.output_tokens,
    cache_read_input_tokens: one.cache_read_input_tokens + other.cache_read_input_tokens,
    cache_creation_input_tokens: one.cache_creation_input_tokens + other.cache_creation_input_tokens,
  };
}
