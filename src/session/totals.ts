/** Sums over a session, kept as its events pass by. Pure. */
import * as z from "zod";
import { noUsage, type SessionEvent, type Usage } from "../protocol/event.ts";

export interface Totals {
  readonly usage: Usage;
  /** Undefined until a turn's cost was known. */
  readonly costUsd: number | undefined;
  readonly toolCalls: number;
  readonly turns: number;
}

export const noTotals: Totals = Object.freeze({ usage: noUsage, costUsd: undefined, toolCalls: 0, turns: 0 });

/** As they stand in a session's record. */
export const StoredTotals = z.object({
  input_tokens: z.number(),
  output_tokens: z.number(),
  cache_read_input_tokens: z.number(),
  cache_creation_input_tokens: z.number(),
  cost_usd: z.number().nullable(),
  tool_calls: z.number(),
  turns: z.number(),
});
export type StoredTotals = z.infer<typeof StoredTotals>;

export function storedTotals({ usage, costUsd, toolCalls, turns }: Totals): StoredTotals {
  return { ...usage, cost_usd: costUsd ?? null, tool_calls: toolCalls, turns };
}

export function totalsOf({ cost_usd, tool_calls, turns, ...usage }: StoredTotals): Totals {
  return { usage, costUsd: cost_usd ?? undefined, toolCalls: tool_calls, turns };
}

export function addResult(totals: Totals, event: SessionEvent): Totals {
  if (event.type === "tool_use") return { ...totals, toolCalls: totals.toolCalls + 1 };
  if (event.type !== "result") return totals;
  const { usage, cost_usd } = event.data;
  return {
    ...totals,
    turns: totals.turns + 1,
    costUsd: cost_usd === null ? totals.costUsd : within(Number.MAX_VALUE, (totals.costUsd ?? 0) + cost_usd),
    usage: {
      input_tokens: tokens(totals.usage.input_tokens + usage.input_tokens),
      output_tokens: tokens(totals.usage.output_tokens + usage.output_tokens),
      cache_read_input_tokens: tokens(totals.usage.cache_read_input_tokens + usage.cache_read_input_tokens),
      cache_creation_input_tokens: tokens(totals.usage.cache_creation_input_tokens + usage.cache_creation_input_tokens),
    },
  };
}

/** A count that a database holds exactly, whatever an agent claims. */
function tokens(sum: number): number {
  return Math.round(within(Number.MAX_SAFE_INTEGER, sum));
}

/** Infinity cannot be written as JSON. */
function within(limit: number, sum: number): number {
  return Math.max(-limit, Math.min(limit, sum));
}
