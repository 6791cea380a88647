/**
 * Which turn is running, and when it is over: one accepted prompt ends in exactly one `result`, under our id of the turn.
 * Codex names turns by ids of its own, which it tells in the reply to a prompt or, sometimes before it, in a notification.
 */
import type { InterruptReason } from "../../src/protocol/command.ts";
import type { EventOf, TurnStatus, Usage } from "../../src/protocol/event.ts";
import type { Failure } from "../failure.ts";

export interface Turn {
  readonly id: string;
  readonly startedAt: number;
  readonly isAgents: boolean;
  /** Codex's id, once it is known. */
  codexId?: string;
  interrupt?: { reason: InterruptReason; detail: string | undefined };
  /** Why the last call of the model failed. */
  failure?: Failure;
  /** Calls of the model that failed and are tried again, since the last that went well. */
  retries: number;
  /** Refusals of the key, which Codex would go on retrying. */
  refusals: number;
  /** The key is refused for good: the harness interrupts the turn. */
  refusal?: Failure;
  /** What the agent said last. */
  text?: string;
  /** It was cut short, and the commands it left behind are being ended. */
  held?: Outcome;
  /** Tokens of its sub-agents, as far as they were done. */
  subUsage?: Usage;
}

export interface Outcome {
  status: TurnStatus;
  reason?: string;
  durationMs: number;
}

const endedMax = 1000;

export class TurnBook {
  /** Not over yet, oldest first. */
  readonly #open: Turn[] = [];
  /** Codex's ids of turns → ours, also after their end. */
  readonly #ids = new Map<string, string>();
  #lastId = "t0";
  #agentTurns = 0;

  get open(): readonly Turn[] {
    return this.#open;
  }

  get running(): Turn | undefined {
    return this.#open[0];
  }

  /** For what belongs to no turn in particular. */
  get nearestId(): string {
    return this.running?.id ?? this.#lastId;
  }

  prompt(id: string, now: number): Turn {
    this.#lastId = id;
    this.#agentTurns = 0;
    return this.#add({ id, startedAt: now, isAgents: false, retries: 0, refusals: 0 });
  }

  /** A turn that nobody asked for under a name. */
  continue(now: number): Turn {
    return this.#agents(now);
  }

  /** The reply to a prompt: it begins this turn of Codex's, or has joined the one that runs. */
  named(turn: Turn, codexId: string, now: number): void {
    const was = turn.codexId;
    if (was === codexId) return;
    this.#name(turn, codexId);
    // A turn that Codex began by itself had been taken for this prompt's.
    if (was !== undefined && !this.#open.some((other) => other.codexId === was)) this.#name(this.#agents(now), was);
  }

  /** A notification: the turn of the oldest prompt without a name, else one that the agent began. */
  started(codexId: string, now: number): Turn | undefined {
    if (this.#ids.has(codexId)) return this.#open.find((turn) => turn.codexId === codexId);
    const turn = this.#open.find((open) => open.codexId === undefined) ?? this.#agents(now);
    this.#name(turn, codexId);
    return turn;
  }

  /** The turns that end with this one of Codex's. */
  of(codexId: string): Turn[] {
    return this.#open.filter((turn) => turn.codexId === codexId);
  }

  /** Our id for a turn of Codex's, also when it is over. */
  idOf(codexId: string | null | undefined): string | undefined {
    return codexId ? this.#ids.get(codexId) : undefined;
  }

  close(turn: Turn): void {
    const at = this.#open.indexOf(turn);
    if (at !== -1) this.#open.splice(at, 1);
  }

  #agents(now: number): Turn {
    this.#agentTurns++;
    const id = `${this.#lastId}.${this.#agentTurns}`;
    return this.#add({ id, startedAt: now, isAgents: true, retries: 0, refusals: 0 });
  }

  #add(turn: Turn): Turn {
    this.#open.push(turn);
    return turn;
  }

  #name(turn: Turn, codexId: string): void {
    turn.codexId = codexId;
    if (!this.#ids.has(codexId)) this.#ids.set(codexId, turn.id);
    const [oldest] = this.#ids.keys();
    if (this.#ids.size > endedMax && oldest !== undefined) this.#ids.delete(oldest);
  }
}

/** The word for a turn that was cut short: by whom, and why. */
export function interruptedAs({ interrupt }: Turn): Pick<Outcome, "status" | "reason"> {
  switch (interrupt?.reason) {
    case "limit":
      return { status: "limit", reason: interrupt.detail ?? "limit" };
    case "stop":
      return { status: "aborted", reason: interrupt.detail ?? "stopped" };
    default:
      return { status: "interrupted" };
  }
}

export interface Figures {
  usage: Usage;
  rounds: number;
  sessionId: string;
  model: string | undefined;
  /** The session asked for answers that fit a schema. */
  isStructured: boolean;
}

export function resultEvent(turn: Turn, outcome: Outcome, figures: Figures): EventOf<"result"> {
  const { status, reason, durationMs } = outcome;
  const { usage, rounds, sessionId, model, isStructured } = figures;
  const category = turn.failure?.category;
  const isAsked = isStructured && status === "success";
  const structured = isAsked ? parsed(turn.text) : undefined;
  // A success all the same: the schema is the model service's to hold, and the text is there.
  const why = reason ?? (isAsked && structured === undefined ? "the answer is no JSON" : undefined);
  return {
    type: "result",
    data: {
      turn_id: turn.id,
      session_id: sessionId,
      status,
      ...(turn.text === undefined || status === "error" ? {} : { text: turn.text }),
      ...(structured === undefined ? {} : { structured_output: structured }),
      // Codex reports tokens only.
      cost_usd: null,
      duration_ms: durationMs,
      num_turns: rounds,
      usage,
      ...(turn.isAgents ? { origin: "agent" } : {}),
      ...(model === undefined ? {} : { model }),
      ...(why === undefined ? {} : { reason: why }),
      ...(status === "error" && category ? { error_category: category } : {}),
    },
  };
}

/** The text is there beside it, so one that is no JSON after all is not lost. */
function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
