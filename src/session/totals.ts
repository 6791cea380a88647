/** Sums over a session, kept as its events pass by. Pure. */
import { noUsage, type SessionEvent, type Usage } from "../protocol/event.ts";

export interface Totals {
  readonly usage: Usage;
  /** Undefined until a turn's cost was known. */
  readonly costUsd: number | undefined;
  readonly toolCalls: number;
  readonly turns: number;
}

export const noTotals: Totals = Object.freeze({ usage: noUsage, costUsd: undefined, toolCalls: 0, turns: 0 });

export function addResult(totals: Totals, event: SessionEvent): Totals {
  if (event.type === "tool_use") return { ...totals, toolCalls: totals.toolCalls + 1 };
  if (event.type !== "result") return totals;
  const { usage, cost_usd } = event.data;
  return {
    ...totals,
    turns: totals.turns + 1,
    costUsd: cost_usd === null ? totals.costUsd : (totals.costUsd ?? 0) + cost_usd,
    usage: {
      input_tokens: totals.usage.input_tokens + usage.input_tokens,
      output_tokens: totals.usage.output_tokens + usage.output_tokens,
      cache_read_input_tokens: totals.usage.cache_read_input_tokens + usage.cache_read_input_tokens,
      cache_creation_input_tokens: totals.usage.cache_creation_input_tokens + usage.cache_creation_input_tokens,
    },
  };
}
