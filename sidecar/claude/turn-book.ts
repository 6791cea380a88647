/**
 * Which turn is running, and when it is over: one accepted prompt ends in exactly one `result`, though the CLI gives one
 * result to two messages that it folded, two to a message that cut another, and one to work it began by itself.
 */
import type { InterruptReason } from "../../src/protocol/command.ts";
import { type EventOf, noUsage, type TurnStatus, type Usage } from "../../src/protocol/event.ts";
import type { Failure } from "../failure.ts";

/** A message we wrote and the CLI named or will name by its uuid. */
interface Input {
  isSteer: boolean;
  /** The model has it, or is about to. */
  isDelivered: boolean;
}

export interface Turn {
  readonly id: string;
  readonly startedAt: number;
  readonly isAgents: boolean;
  /** Messages that no result has answered. */
  readonly inputs: Map<string, Input>;
  interrupt?: { reason: InterruptReason; detail: string | undefined };
  /** Why the last call of the model failed. */
  failure?: Failure;
  /** Refusals of the key that the CLI would go on retrying for minutes. */
  authRetries: number;
  model?: string;
  /** A result came, but not for all of its messages. */
  held?: Figures;
}

/** What one result line says of its turn. */
export interface Figures {
  status: TurnStatus;
  reason?: string;
  failure?: Failure;
  text?: string;
  structuredOutput?: unknown;
  costUsd: number | null;
  durationMs: number;
  numTurns: number;
  usage: Usage;
}

export class TurnBook {
  /** Not over yet, oldest first. */
  readonly #open: Turn[] = [];
  #current: Turn | undefined;
  #lastId = "t0";
  #agentTurns = 0;
  #sawLifecycle = false;

  /** The turn whose lines are coming. */
  get current(): Turn | undefined {
    return this.#current;
  }

  get open(): readonly Turn[] {
    return this.#open;
  }

  /** The turn to show as running: it was accepted, whether or not the agent has begun it. */
  get running(): Turn | undefined {
    return this.#current ?? this.#open[0];
  }

  /** For what belongs to no turn in particular. */
  get nearestId(): string {
    return this.running?.id ?? this.#lastId;
  }

  prompt(prompt: { turnId: string; uuid: string }, now: number): void {
    const turn = newTurn(prompt.turnId, now, false);
    turn.inputs.set(prompt.uuid, { isSteer: false, isDelivered: false });
    this.#open.push(turn);
    this.#lastId = turn.id;
    this.#agentTurns = 0;
  }

  steer(turn: Turn, uuid: string): void {
    turn.inputs.set(uuid, { isSteer: true, isDelivered: false });
  }

  /** A message is on its way to the model. Returns its turn when it is a steer that was not known to be delivered. */
  deliver(uuid: string): Turn | undefined {
    const turn = this.#turnOf(uuid);
    const input = turn?.inputs.get(uuid);
    if (!turn || !input || input.isDelivered) return undefined;
    input.isDelivered = true;
    if (!input.isSteer) this.#current ??= turn;
    return input.isSteer ? turn : undefined;
  }

  sawLifecycle(): void {
    this.#sawLifecycle = true;
  }

  /** A message that will never be answered. Returns its turn when that is over with it. */
  drop(uuid: string): Turn | undefined {
    const turn = this.#turnOf(uuid);
    const input = turn?.inputs.get(uuid);
    // What the model has had is answered by a result, which may still come and names it.
    if (!turn || !input || (input.isDelivered && !turn.held)) return undefined;
    turn.inputs.delete(uuid);
    return turn.inputs.size === 0 ? turn : undefined;
  }

  /** The agent begins with these messages. False when none of them is ours: then nothing may come of it. */
  beginNamed(uuids: readonly string[]): boolean {
    const named = uuids.map((uuid) => this.#turnOf(uuid)).find((turn) => turn !== undefined);
    if (named) this.#current = named;
    return named !== undefined;
  }

  /** The agent is at work, without a name: it is the turn under way, or one of the agent's own. */
  begin(now: number): Turn {
    if (this.#current) return this.#current;
    // 2.1.197 names nothing: what begins is what was asked. 2.1.329 names a prompt before it begins with it.
    const asked = this.#open.find((turn) => !this.#sawLifecycle || turn.held !== undefined);
    const turn = asked ?? this.#agentsTurn(now);
    this.#current = turn;
    return turn;
  }

  /**
   * The turns that a result line ends or moves on; empty when it answers nothing. The first one gets the figures.
   * `isAgents` says that the CLI began it; `isEmpty` that no round with the model was made.
   */
  answered(line: { uuids: readonly string[]; isAgents: boolean; isEmpty: boolean }, now: number): Turn[] {
    const named = new Set<Turn>();
    for (const uuid of line.uuids) {
      const turn = this.#turnOf(uuid);
      if (turn) named.add(turn);
    }
    const current = this.#current;
    if (line.isAgents) named.add(current?.isAgents ? current : this.#agentsTurn(now));
    else if (current?.isAgents) named.add(current);
    if (named.size === 0) {
      const asked = this.#current ?? this.#open.find((turn) => turn.held === undefined && !this.#sawLifecycle);
      if (asked) named.add(asked);
      else if (!line.isEmpty) named.add(this.#agentsTurn(now));
    }
    for (const turn of named) {
      settleInputs(turn, line.uuids);
      if (turn === this.#current) this.#current = undefined;
    }
    return [...named];
  }

  close(turn: Turn): void {
    const at = this.#open.indexOf(turn);
    if (at !== -1) this.#open.splice(at, 1);
    if (this.#current === turn) this.#current = undefined;
  }

  #turnOf(uuid: string): Turn | undefined {
    return this.#open.find((turn) => turn.inputs.has(uuid));
  }

  #agentsTurn(now: number): Turn {
    this.#agentTurns++;
    const turn = newTurn(`${this.#lastId}.${this.#agentTurns}`, now, true);
    this.#open.push(turn);
    return turn;
  }
}

function newTurn(id: string, startedAt: number, isAgents: boolean): Turn {
  return { id, startedAt, isAgents, inputs: new Map(), authRetries: 0 };
}

/** Takes out the messages that were answered: the named ones, else all that the model had. */
function settleInputs(turn: Turn, uuids: readonly string[]): void {
  const answered = uuids.filter((uuid) => turn.inputs.has(uuid));
  if (answered.length === 0) {
    for (const [uuid, input] of turn.inputs) if (input.isDelivered || !input.isSteer) answered.push(uuid);
  }
  for (const uuid of answered) turn.inputs.delete(uuid);
}

/** Sums and differences of dollars end in noise; a millionth of a cent is finer than any price. */
export const roundUsd = (usd: number): number => Math.round(usd * 1e8) / 1e8;

/** Figures of two results of one turn: sums, and the last word on how it went. */
export function addFigures(first: Figures | undefined, second: Figures): Figures {
  if (!first) return second;
  const cost =
    first.costUsd === null && second.costUsd === null ? null : roundUsd((first.costUsd ?? 0) + (second.costUsd ?? 0));
  return {
    ...second,
    costUsd: cost,
    durationMs: first.durationMs + second.durationMs,
    numTurns: first.numTurns + second.numTurns,
    usage: {
      input_tokens: first.usage.input_tokens + second.usage.input_tokens,
      output_tokens: first.usage.output_tokens + second.usage.output_tokens,
      cache_read_input_tokens: first.usage.cache_read_input_tokens + second.usage.cache_read_input_tokens,
      cache_creation_input_tokens: first.usage.cache_creation_input_tokens + second.usage.cache_creation_input_tokens,
    },
  };
}

/** For a turn whose figures are in another one's result, or that never got one. */
export function emptyFigures(status: TurnStatus, durationMs: number): Figures {
  return { status, costUsd: 0, durationMs, numTurns: 0, usage: noUsage };
}

export function resultEvent(turn: Turn, figures: Figures, sessionId: string): EventOf<"result"> {
  const { status, reason, failure, text } = figures;
  return {
    type: "result",
    data: {
      turn_id: turn.id,
      session_id: sessionId,
      status,
      ...(text === undefined ? {} : { text }),
      ...(figures.structuredOutput === undefined ? {} : { structured_output: figures.structuredOutput }),
      cost_usd: figures.costUsd,
      duration_ms: figures.durationMs,
      num_turns: figures.numTurns,
      usage: figures.usage,
      ...(turn.isAgents ? { origin: "agent" } : {}),
      ...(turn.model === undefined ? {} : { model: turn.model }),
      ...(reason === undefined ? {} : { reason }),
      ...(status === "error" && failure?.category ? { error_category: failure.category } : {}),
    },
  };
}
