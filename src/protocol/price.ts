/**
 * What tokens cost, for agents that report tokens but no cost. Pure. List prices for standard processing: what a plan, a
 * batch, a priority tier or a very long prompt costs is not in here. A model that is not listed has no price: null,
 * never a guess.
 */
import type { Usage } from "./event.ts";

/** Dollars a million tokens. */
export interface Price {
  /** Input that was not read from the cache. */
  input: number;
  cacheRead: number;
  /** Input that was written to the cache; services that do not charge for that have none. */
  cacheWrite?: number;
  /** Reasoning included. */
  output: number;
}

export interface PriceList {
  /** Where the figures stand. */
  source: string;
  /** The day they were read, as YYYY-MM-DD. */
  asOf: string;
  models: Readonly<Record<string, Price>>;
}

const gpt5: Price = { input: 1.25, cacheRead: 0.125, output: 10 };
const gpt5Mini: Price = { input: 0.25, cacheRead: 0.025, output: 2 };
const gpt52: Price = { input: 1.75, cacheRead: 0.175, output: 14 };

export const openAiPrices: PriceList = {
  source: "https://developers.openai.com/api/docs/pricing, as quoted for standard processing in May 2026",
  asOf: "2026-05-13",
  models: {
    "gpt-5": gpt5,
    "gpt-5-codex": gpt5,
    "gpt-5-mini": gpt5Mini,
    "gpt-5.1": gpt5,
    "gpt-5.1-codex": gpt5,
    "gpt-5.1-codex-max": gpt5,
    "gpt-5.1-codex-mini": gpt5Mini,
    "gpt-5.2": gpt52,
    "gpt-5.2-codex": gpt52,
    "gpt-5.3-codex": gpt52,
    "gpt-5.4": { input: 2.5, cacheRead: 0.25, output: 15 },
    "gpt-5.4-mini": { input: 0.75, cacheRead: 0.075, output: 4.5 },
    "gpt-5.5": { input: 5, cacheRead: 0.5, output: 30 },
  },
};

/** A dated snapshot costs what its model costs: `gpt-5-codex-2025-09-15`. */
const snapshot = /-\d{4}-\d{2}-\d{2}$/;
/** Sums of dollars end in noise; a millionth of a cent is finer than any price. */
const grainsPerUsd = 1e8;
const millionth = 1e-6;

/** `usage.input_tokens` are those that were not read from a cache. Null when nobody knows the price. */
export function costOf(model: string | undefined, usage: Usage, list: PriceList = openAiPrices): number | null {
  if (model === undefined) return null;
  const name = model.replace(/^openai\//, "").replace(snapshot, "");
  const price = Object.hasOwn(list.models, name) ? list.models[name] : undefined;
  if (!price) return null;
  const usd =
    millionth *
    (usage.input_tokens * price.input +
      usage.cache_read_input_tokens * price.cacheRead +
      usage.cache_creation_input_tokens * (price.cacheWrite ?? price.input) +
      usage.output_tokens * price.output);
  return Math.round(usd * grainsPerUsd) / grainsPerUsd;
}
