/** What a result line says of its turn: how it went, and what it cost. Pure. */
import { noUsage } from "../../src/protocol/event.ts";
import type { Failure } from "../failure.ts";
import { categoryOf } from "./failure.ts";
import { usageOf } from "./message-text.ts";
import type { Result } from "./raw.ts";
import { type Figures, roundUsd, type Turn } from "./turn-book.ts";

/** `total_cost_usd` adds up over the process, and since 2.1.329 over the resumed conversation too. */
export class CostMeter {
  #total: number | undefined;

  constructor(options: { isResumed: boolean }) {
    this.#total = options.isResumed ? undefined : 0;
  }

  /** The cost since the last result; null when the line does not say. */
  read(line: Result): number | null {
    const total = line.total_cost_usd ?? line.cost_usd;
    if (typeof total !== "number") return null;
    const before = this.#total;
    this.#total = total;
    if (before === undefined) return costSinceLast(line) ?? total;
    // `/clear` begins again at zero.
    return total >= before ? roundUsd(total - before) : total;
  }
}

function costSinceLast({ model_usage_since_last_result: byModel }: Result): number | undefined {
  if (!byModel) return undefined;
  let sum = 0;
  for (const { costUSD } of Object.values(byModel)) sum += costUSD ?? 0;
  return roundUsd(sum);
}

export interface ResultContext {
  turn: Turn;
  costUsd: number | null;
  /** The process was asked to resume and has not got as far as a turn. */
  isResuming: boolean;
}

export function figuresOf(line: Result, context: ResultContext): Figures {
  const { turn, costUsd } = context;
  const how = outcomeOf(line, context);
  const isTextTrue = how.status !== "error" && typeof line.result === "string" && line.result !== "";
  return {
    ...how,
    ...(isTextTrue && typeof line.result === "string" ? { text: line.result } : {}),
    ...(line.structured_output == null ? {} : { structuredOutput: line.structured_output }),
    costUsd,
    durationMs: line.duration_ms,
    numTurns: line.num_turns,
    usage: line.usage ? usageOf(line.usage) : { ...noUsage },
    ...(how.status === "error" && !how.failure && turn.failure ? { failure: turn.failure } : {}),
  };
}

function outcomeOf(line: Result, { turn, isResuming }: ResultContext): Pick<Figures, "status" | "reason" | "failure"> {
  if (line.terminal_reason?.startsWith("aborted_")) return interruptedAs(turn);
  switch (line.subtype) {
    case "error_max_turns":
      return { status: "limit", reason: "max_turns" };
    case "error_max_budget_usd":
      return { status: "limit", reason: "max_budget_usd" };
    default:
      return line.is_error
        ? { status: "error", failure: failureOf(line, turn.failure, isResuming) }
        : { status: "success" };
  }
}

/** The word for a turn that was cut short: by whom, and why. */
export function interruptedAs(turn: Turn): Pick<Figures, "status" | "reason" | "failure"> {
  // The key is refused, so we interrupted it ourselves: that is no interruption by a person.
  if (turn.interrupt === undefined && turn.failure?.category === "auth_error")
    return { status: "error", failure: turn.failure };
  switch (turn.interrupt?.reason) {
    case "limit":
      return { status: "limit", reason: turn.interrupt.detail ?? "limit" };
    case "stop":
      return { status: "aborted", reason: turn.interrupt.detail ?? "stopped" };
    default:
      return { status: "interrupted" };
  }
}

export function failureOf(line: Result, noted: Failure | undefined, isResuming: boolean): Failure {
  const status = line.api_error_status ?? noted?.status;
  const said = categoryOf({ status, terminalReason: line.terminal_reason }) ?? noted?.category;
  // The only start-up failure with a result line: there is nothing to resume.
  const category = said ?? (isResuming && line.num_turns === 0 ? "session_not_found" : undefined);
  const message = line.errors?.[0] ?? line.result ?? noted?.message ?? "The agent ended the turn with an error";
  return { message, category, status };
}
