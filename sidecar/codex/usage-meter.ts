/** Tokens of the running turn. Codex reports the running total of a thread, and repeats it when a turn is interrupted. */
import { noUsage, type Usage } from "../../src/protocol/event.ts";
import type { Tokens } from "./raw.ts";

export class UsageMeter {
  /** Undefined until the first report, which for a resumed thread counts all its earlier turns. */
  #total: Tokens | undefined;
  #before: Tokens | undefined;
  #rounds = 0;

  /** Calls of the model in this turn. */
  get rounds(): number {
    return this.#rounds;
  }

  turnBegan(): void {
    this.#before = this.#total;
    this.#rounds = 0;
  }

  reported({ total, last }: { total: Tokens; last: Tokens }): void {
    if (this.#total?.totalTokens === total.totalTokens) return;
    this.#before ??= difference(total, last);
    this.#total = total;
    this.#rounds++;
  }

  get usage(): Usage {
    if (!this.#total || !this.#before) return { ...noUsage };
    const { inputTokens, cachedInputTokens, cacheWriteInputTokens, outputTokens } = difference(
      this.#total,
      this.#before,
    );
    return {
      // Codex counts what came from the cache among the input.
      input_tokens: Math.max(0, inputTokens - cachedInputTokens - cacheWriteInputTokens),
      output_tokens: outputTokens,
      cache_read_input_tokens: cachedInputTokens,
      cache_creation_input_tokens: cacheWriteInputTokens,
    };
  }
}

export function sumOf(one: Usage, other: Usage): Usage {
  return {
    input_tokens: one.input_tokens + other.input_tokens,
    output_tokens: one.output_tokens + other.output_tokens,
    cache_read_input_tokens: one.cache_read_input_tokens + other.cache_read_input_tokens,
    cache_creation_input_tokens: one.cache_creation_input_tokens + other.cache_creation_input_tokens,
  };
}

function difference(all: Tokens, part: Tokens): Tokens {
  const less = (a: number, b: number) => Math.max(0, a - b);
  return {
    totalTokens: less(all.totalTokens, part.totalTokens),
    inputTokens: less(all.inputTokens, part.inputTokens),
    cachedInputTokens: less(all.cachedInputTokens, part.cachedInputTokens),
    cacheWriteInputTokens: less(all.cacheWriteInputTokens, part.cacheWriteInputTokens),
    outputTokens: less(all.outputTokens, part.outputTokens),
  };
}
