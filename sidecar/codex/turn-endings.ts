/** The ends of turns: when Codex says so, when commands that outlived them are gone, and with the agent's own end. */
import type { SessionEvent, TurnStatus, Usage } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import { errorEvent, type Failure } from "../failure.ts";
import type { AgentOutput } from "./agent-output.ts";
import { failureOf } from "./failure.ts";
import type { Questions } from "./questions.ts";
import type { TurnLine } from "./raw.ts";
import { hasTokens, type Threads } from "./threads.ts";
import { interruptedAs, type Outcome, resultEvent, type Turn, type TurnBook } from "./turn-book.ts";
import { sumOf, type UsageMeter } from "./usage-meter.ts";

export interface TurnEndingsOptions {
  book: TurnBook;
  agent: AgentOutput;
  threads: Threads;
  meter: UsageMeter;
  questions: Questions;
  model(): string | undefined;
  isStructured: boolean;
}

type CodexTurn = TurnLine["turn"];

export class TurnEndings {
  readonly #options: TurnEndingsOptions;
  #failure: Failure | undefined;

  constructor(options: TurnEndingsOptions) {
    this.#options = options;
  }

  /** Why the last turn failed, if it did. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Codex says that a turn of the session's own thread is over. */
  completed(codexTurn: CodexTurn, now: number): SessionEvent[] {
    const turns = this.#options.book.of(codexTurn.id);
    return turns.flatMap((turn, i) => {
      const outcome = outcomeOf(turn, codexTurn, now);
      // Its commands go on (0.169.0); the harness ends them, and the result waits until they are gone.
      const isHeld = codexTurn.status === "interrupted" && this.#options.agent.openTools(turn.id).length > 0;
      if (isHeld) turn.held = outcome;
      return isHeld ? [] : this.#finish(turn, outcome, now, i === 0);
    });
  }

  /** A call has ended; it may be the last one that a turn was held for. */
  callEnded(now: number): SessionEvent[] {
    const { book, agent } = this.#options;
    return book.open
      .flatMap((turn) => (turn.held && agent.openTools(turn.id).length === 0 ? [{ turn, held: turn.held }] : []))
      .flatMap(({ turn, held }) => this.#finish(turn, held, now, true));
  }

  /** Nothing more is waited for. */
  letGo(now: number): SessionEvent[] {
    return this.#options.book.open
      .flatMap((turn) => (turn.held ? [{ turn, held: turn.held }] : []))
      .flatMap(({ turn, held }) => this.#finish(turn, held, now, true));
  }

  /** A turn was interrupted before Codex heard of it. */
  dropped(turn: Turn, now: number): SessionEvent[] {
    return this.#finish(turn, { ...interruptedAs(turn), durationMs: elapsed(turn, now) }, now, false);
  }

  /** Codex did not take a prompt. */
  refused(turn: Turn, message: string, now: number): SessionEvent[] {
    turn.failure = { message, category: undefined };
    return this.#finish(turn, { status: "error", durationMs: elapsed(turn, now) }, now, false);
  }

  /** Nothing that was asked can be begun. */
  failed(failure: Failure, now: number): SessionEvent[] {
    const turns = [...this.#options.book.open];
    if (turns.length === 0) return this.complain(failure);
    return turns.flatMap((turn) => {
      turn.failure = failure;
      return this.#finish(turn, { status: "error", durationMs: elapsed(turn, now) }, now, false);
    });
  }

  /** Something failed outside of any turn. */
  complain(failure: Failure): SessionEvent[] {
    this.#failure = failure;
    return [errorEvent(failure, undefined)];
  }

  /** A sub-agent has done what it was asked. */
  childCompleted(threadId: string, codexTurn: CodexTurn, now: number): SessionEvent[] {
    const { threads, agent, book } = this.#options;
    const child = threads.child(threadId);
    if (!child || child.codexTurnId === undefined) return [];
    delete child.codexTurnId;
    const { usage } = child.meter;
    const caller = book.open.find(({ id }) => id === child.turnId);
    if (caller) caller.subUsage = caller.subUsage ? sumOf(caller.subUsage, usage) : usage;
    const { parentId } = child;
    const data = {
      event: "completed",
      id: parentId,
      thread_id: threadId,
      status: codexTurn.status,
      parent_id: parentId,
    };
    return [
      ...agent.childEnded(parentId, threadId, now),
      progress(child.turnId, "task", { ...data, ...(hasTokens(usage) ? { usage } : {}) }),
    ];
  }

  /** The agent is gone. */
  agentEnded(reason: string, now: number): SessionEvent[] {
    const { agent, book, questions, threads } = this.#options;
    const events: SessionEvent[] = [...agent.agentEnded(now), ...questions.turnEnded("all")];
    threads.ended();
    for (const turn of [...book.open]) {
      const wanted = turn.interrupt?.reason === "limit" ? interruptedAs(turn) : { status: "aborted" as const, reason };
      const isFirst = turn.codexId !== undefined;
      events.push(...this.#finish(turn, turn.held ?? { ...wanted, durationMs: elapsed(turn, now) }, now, isFirst));
    }
    return events;
  }

  /** `isCounted`: the tokens are this turn's, not those of another that ends with it. */
  #finish(turn: Turn, outcome: Outcome, now: number, isCounted: boolean): SessionEvent[] {
    const { agent, book, meter, questions, threads } = this.#options;
    const events: SessionEvent[] = [
      ...agent.turnEnded(turn.id, threads.main ?? "", now),
      ...questions.turnEnded(turn.id),
    ];
    this.#failure = outcome.status === "error" ? turn.failure : undefined;
    if (this.#failure) events.push(errorEvent(this.#failure, turn.id));
    book.close(turn);
    const sessionId = threads.main ?? "";
    const model = this.#options.model();
    const none: Usage = {
      input_tokens: 0,
      output_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    };
    const own = isCounted ? meter.usage : none;
    const usage = turn.subUsage ? sumOf(own, turn.subUsage) : own;
    events.push(
      resultEvent(turn, outcome, {
        usage,
        rounds: isCounted ? meter.rounds : 0,
        sessionId,
        model,
        isStructured: this.#options.isStructured,
      }),
    );
    return events;
  }
}

function outcomeOf(turn: Turn, codexTurn: CodexTurn, now: number): Outcome {
  const durationMs = codexTurn.durationMs ?? elapsed(turn, now);
  const status = statusOf(codexTurn.status);
  // The key is refused, so we interrupted it ourselves: that is no interruption by a person.
  if (status === "interrupted" && turn.refusal && !turn.interrupt) {
    turn.failure = turn.refusal;
    return { status: "error", durationMs };
  }
  if (status === "interrupted") return { ...interruptedAs(turn), durationMs };
  if (status === "error") {
    const info = codexTurn.error ?? { message: turn.failure?.message ?? "Codex ended the turn with an error" };
    turn.failure = failureOf({ codexErrorInfo: undefined, ...info }, turn.failure);
  }
  return { status, durationMs };
}

function statusOf(word: string): TurnStatus {
  switch (word) {
    case "completed":
      return "success";
    case "interrupted":
      return "interrupted";
    default:
      return "error";
  }
}

const elapsed = (turn: Turn, now: number) => Math.max(0, now - turn.startedAt);
