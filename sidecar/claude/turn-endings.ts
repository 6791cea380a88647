/** The ends of turns: from a result line, from messages that were dropped, from silence, from the agent's own end. */
import type { SessionEvent } from "../../src/protocol/event.ts";
import { errorEvent, type Failure } from "../failure.ts";
import type { AgentOutput } from "./agent-output.ts";
import { CostMeter, failureOf, figuresOf, interruptedAs } from "./figures.ts";
import type { Result } from "./raw.ts";
import { addFigures, emptyFigures, type Figures, resultEvent, type Turn, type TurnBook } from "./turn-book.ts";

export interface TurnEndingsOptions {
  book: TurnBook;
  agent: AgentOutput;
  isResumed: boolean;
  /** The agent's own id of the conversation, as it is when a turn ends. */
  sessionId(): string;
}

export class TurnEndings {
  readonly #options: TurnEndingsOptions;
  readonly #cost: CostMeter;
  #failure: Failure | undefined;

  constructor(options: TurnEndingsOptions) {
    this.#options = options;
    this.#cost = new CostMeter(options);
  }

  /** Why the last turn failed, if it did. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** `hasBegun`: the agent has got as far as a turn. */
  result(line: Result, hasBegun: boolean, now: number): SessionEvent[] {
    const isResuming = this.#options.isResumed && !hasBegun;
    const costUsd = this.#cost.read(line);
    const isAgents = line.origin?.kind === "task-notification";
    const answered = { uuids: line.user_message_uuids ?? [], isAgents, isEmpty: line.num_turns === 0 };
    const turns = this.#options.book.answered(answered, now);
    if (turns.length === 0)
      return line.is_error ? [this.#failed(failureOf(line, undefined, isResuming), undefined)] : [];
    return turns.flatMap((turn, i) => {
      const figures = figuresOf(line, { turn, costUsd, isResuming });
      // One result for two turns: the first has the figures, the others only how it went.
      const own = i === 0 ? figures : { ...emptyFigures(figures.status, 0), ...outcomeOf(figures) };
      return this.#answered(turn, own, now);
    });
  }

  /** A message will never be answered: a turn that waited for it alone is over. */
  dropped(uuid: string, now: number): SessionEvent[] {
    const turn = this.#options.book.drop(uuid);
    if (!turn) return [];
    const figures = turn.held ?? emptyFigures("interrupted", Math.max(0, now - turn.startedAt));
    return [this.#finish(turn, turn.held && !turn.interrupt ? figures : { ...figures, ...interruptedAs(turn) })];
  }

  /** The agent says that nothing more is coming: what was to be answered separately was not. */
  silence(): SessionEvent[] {
    return this.#options.book.open
      .flatMap((turn) => (turn.held ? [{ turn, held: turn.held }] : []))
      .map(({ turn, held }) => this.#finish(turn, held));
  }

  /** The agent is gone. */
  agentEnded(reason: string, now: number): SessionEvent[] {
    return [...this.#options.book.open].map((turn) => {
      const wanted = turn.interrupt?.reason === "limit" ? interruptedAs(turn) : { status: "aborted" as const, reason };
      const rest = { ...emptyFigures("aborted", turn.held ? 0 : Math.max(0, now - turn.startedAt)), costUsd: null };
      return this.#finish(turn, { ...addFigures(turn.held, rest), ...wanted });
    });
  }

  #answered(turn: Turn, figures: Figures, now: number): SessionEvent[] {
    const events = this.#options.agent.turnEnded(turn.id, now);
    if (figures.status === "error" && figures.failure) events.push(this.#failed(figures.failure, turn.id));
    else this.#failure = undefined;
    delete turn.failure;
    const sum = addFigures(turn.held, figures);
    if (turn.inputs.size > 0) turn.held = sum;
    else events.push(this.#finish(turn, sum));
    return events;
  }

  #failed(failure: Failure, turnId: string | undefined): SessionEvent {
    this.#failure = failure;
    return errorEvent(failure, turnId);
  }

  #finish(turn: Turn, figures: Figures): SessionEvent {
    this.#options.book.close(turn);
    return resultEvent(turn, figures, this.#options.sessionId());
  }
}

function outcomeOf({ status, reason, failure, text }: Figures): Partial<Figures> {
  return { status, ...(reason ? { reason } : {}), ...(failure ? { failure } : {}), ...(text ? { text } : {}) };
}
