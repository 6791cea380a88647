/**
 * The turns of one session: accepts prompts, gives them to the idle agent one by one, and sees that each ends in
 * exactly one result. The log is their truth: what is accepted is in it first, and it tells a next daemon what is open.
 */
import type { Image, StoredImage } from "../protocol/agent-options.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError, isDiskFull, messageOf } from "../protocol/error.ts";
import type { EventOf, TurnStatus } from "../protocol/event.ts";
import type { QueuedPrompt } from "../protocol/session.ts";
import { Budget } from "../session/budget.ts";
import { removeImages, storeImages } from "../session/images.ts";
import { openTurnsOf } from "../session/open-turns.ts";
import type { Session } from "../session/session.ts";
import type { Prompt, TurnQueue } from "../session/turn-queue.ts";
import { ownResult } from "./end-events.ts";

export interface TurnsOptions {
  session: Session;
  queue: TurnQueue;
  queueLengthMax: number;
  takesImages: boolean;
  /** Throws when the session takes nothing more. */
  assertOpen(): void;
  /** Hands a prompt to the idle agent; resolves when the agent has it. */
  give(prompt: Prompt): Promise<void>;
  /** Whether it is too late to write of turns: whoever ends the session does. */
  isEnding(): boolean;
  /** Something changed that may let the next prompt go out, or the session end. */
  onChanged(): void;
  onFault(error: unknown): void;
}

/** A turn that was accepted; its position is 0 when nothing is before it. */
export interface AcceptedTurn {
  turnId: string;
  position: number;
}

/** What goes with a prompt besides its text. */
export interface PromptOptions {
  images?: readonly Image[] | undefined;
  /** Goes into the `user_message`. */
  request?: string | undefined;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #session: Session;
  readonly #queue: TurnQueue;
  readonly #budget: Budget;
  /** Prompts whose images are on their way to the disk. */
  #accepting = 0;
  /** The turn that the agent was given last, or tells of. */
  #begun: { turnId: string; at: number } | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#session = options.session;
    this.#queue = options.queue;
    this.#budget = new Budget(options.session.spec.max_budget_usd);
  }

  /** The turn that the agent was given and has not ended. */
  get open(): string | undefined {
    return this.#queue.open;
  }

  get queued(): QueuedPrompt[] {
    return this.#queue.list();
  }

  /** How many there were, the waiting ones included. */
  get count(): number {
    return this.#queue.count;
  }

  /** Nothing runs, nothing waits, nothing is being accepted. */
  get isEmpty(): boolean {
    return this.#queue.isEmpty && this.#accepting === 0;
  }

  /** Finds out from the log which turns have no result yet: they are the open one and the queue. */
  async restore(): Promise<void> {
    const open = await openTurnsOf(this.#session, this.#session.checkpoint);
    const { count, prompts, totals, unpricedTurn } = open;
    this.#queue.restore(count, prompts);
    this.#begun = open.begun;
    this.#budget.restore(totals.costUsd ?? 0, unpricedTurn);
    this.#session.restoreTotals(totals);
  }

  /** Accepts a prompt: it is in the log when this resolves, and waits its turn. */
  async accept(text: string, { images = [], request }: PromptOptions): Promise<AcceptedTurn> {
    this.#options.assertOpen();
    this.assertBudget();
    if (this.#queue.length + this.#accepting >= this.#options.queueLengthMax) {
      throw new AgentdError(
        "queue_full",
        `Cannot queue the prompt in session "${this.#session.id}": ${this.#queue.length} prompts are waiting. Wait for one to end, or withdraw one`,
      );
    }
    const turnId = this.#queue.mintTurnId();
    const stored = images.length === 0 ? {} : { images: await this.#storeImages(turnId, images) };
    const position = this.#queue.add({ turnId, text, ...stored }, { isRecorded: false });
    try {
      await this.#session.appendOwn([
        { type: "user_message", data: { turn_id: turnId, kind: "prompt", text, ...stored, ...defined({ request }) } },
      ]);
    } catch (error) {
      // Nobody is told that it was accepted, so it must not run.
      this.#queue.withdraw(turnId);
      throw error;
    }
    this.#queue.recorded(turnId);
    this.#options.onChanged();
    return { turnId, position };
  }

  /** An id for a turn that does not go through the queue. */
  mintTurnId(): string {
    return this.#queue.mintTurnId();
  }

  /** Takes back a prompt that the agent has not been given. */
  async withdraw(turnId: string): Promise<void> {
    if (!this.#queue.knows(turnId)) {
      throw new AgentdError(
        "turn_not_found",
        `Cannot withdraw turn "${turnId.slice(0, 80)}": session "${this.#session.id}" never had it`,
      );
    }
    if (!this.#queue.withdraw(turnId)) {
      throw new AgentdError(
        "turn_not_queued",
        `Cannot withdraw turn "${turnId}" of session "${this.#session.id}": it is not waiting. Interrupt the session to end a running turn`,
      );
    }
    await this.#session.appendOwn([
      ownResult(this.#session, turnId, { status: "withdrawn", reason: "it was withdrawn" }),
    ]);
    this.#options.onChanged();
  }

  /** Ends the prompt that would be given next. */
  async interruptFirst(): Promise<void> {
    const [first] = this.#queue.list();
    if (!first || !this.#queue.withdraw(first.turn_id)) return;
    const reason = "it was interrupted before the agent had begun with it";
    await this.#session.appendOwn([ownResult(this.#session, first.turn_id, { status: "interrupted", reason })]);
    this.#options.onChanged();
  }

  /** The agent is idle: the next prompt goes to it. */
  giveNext(): void {
    if (this.#budget.spent !== undefined) return this.#endWaiting(this.#budget.spent);
    const prompt = this.#queue.takeNext();
    if (!prompt) return;
    // All that the agent did before is known here, and none of it was the end of this one.
    if (prompt.isDoubtful) {
      this.#endDoubtful(prompt.turnId).catch(this.#options.onFault);
      return;
    }
    this.#begun = { turnId: prompt.turnId, at: Date.now() };
    this.#options.give(prompt).catch((error: unknown) => {
      this.#refused(prompt.turnId, messageOf(error)).catch(this.#options.onFault);
    });
  }

  /** A result passed by, of whatever turn. */
  note(result: EventOf<"result">["data"]): void {
    this.#queue.close(result.turn_id);
    this.#budget.note(result);
  }

  /** The sidecar says that this turn runs; after a restart it may be one that still counts as waiting. */
  noteRunning(turnId: string): void {
    if (this.#queue.open === undefined) this.#queue.markOpen(turnId);
    if (this.#begun?.turnId !== turnId) this.#begun = { turnId, at: Date.now() };
  }

  /** How long the agent has had it, in ms; 0 when it never did. */
  durationOf(turnId: string): number {
    return this.#begun?.turnId === turnId ? Math.max(0, Date.now() - this.#begun.at) : 0;
  }

  /** The sidecar knows of so many, some of which the log may not. */
  countAtLeast(count: number): void {
    this.#queue.countAtLeast(count);
  }

  /** Takes all that have no result off the queue, the open one first: whoever calls writes their ends. */
  abandon(): string[] {
    return this.#queue.abandon();
  }

  /** Ends all that have no result, before the `exit` that comes next. */
  end(status: TurnStatus, why: string): void {
    const turns = this.#queue.abandon();
    if (turns.length === 0) return;
    // Told before `exit`, which waits for nobody; a log that cannot be written ends the session in a way of its own.
    this.#session
      .appendOwn(
        turns.map((turnId) =>
          ownResult(this.#session, turnId, { status, reason: why, durationMs: this.durationOf(turnId) }),
        ),
      )
      .catch(this.#options.onFault);
  }

  /** The same for the very first one alone, if it has no result. */
  endFirst(status: TurnStatus, why: string): void {
    const [first] = this.#queue.list();
    const turnId = this.#queue.open ?? first?.turn_id;
    if (turnId !== "t1") return;
    this.#queue.close(turnId);
    this.#session.appendOwn([ownResult(this.#session, turnId, { status, reason: why })]).catch(this.#options.onFault);
  }

  /** Throws `budget_spent` when the session has cost what it may. */
  assertBudget(): void {
    const { spent } = this.#budget;
    if (spent === undefined) return;
    throw new AgentdError(
      "budget_spent",
      `Cannot send to session "${this.#session.id}": its budget is spent (${spent}). Start a new one, with resume_session to go on from here`,
      { details: { session_id: this.#session.id } },
    );
  }

  /** The session may end meanwhile; then nothing of them stays. */
  async #storeImages(turnId: string, images: readonly Image[]): Promise<StoredImage[]> {
    if (!this.#options.takesImages) {
      throw new AgentdError(
        "unsupported_by_agent",
        `Cannot take images in session "${this.#session.id}": its agent has nothing for them. Leave them out`,
      );
    }
    const folder = this.#session.home.blobs;
    this.#accepting += 1;
    try {
      const stored = await storeImages(folder, turnId, images);
      try {
        this.#options.assertOpen();
        this.assertBudget();
      } catch (error) {
        await removeImages(folder, stored);
        throw error;
      }
      return stored;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      throw new AgentdError(
        "disk_full",
        `Cannot store the images for session "${this.#session.id}": the disk is full. Make room, then try again`,
        { cause: error },
      );
    } finally {
      this.#accepting -= 1;
      // Behind whoever awaits this: a prompt that was accepted is in the queue by then.
      setImmediate(() => this.#options.onChanged());
    }
  }

  /** The budget is spent: whatever waits is not given to the agent. */
  #endWaiting(reason: string): void {
    const turns = this.#queue.withdrawAll();
    if (turns.length === 0) return;
    this.#session
      .appendOwn(turns.map((turnId) => ownResult(this.#session, turnId, { status: "limit", reason })))
      .catch(this.#options.onFault);
  }

  /** Given again, it might be done twice. */
  async #endDoubtful(turnId: string): Promise<void> {
    this.#queue.close(turnId);
    const reason = "a line of the log that may have been its result cannot be read, so it is not given again";
    await this.#session.appendOwn([ownResult(this.#session, turnId, { status: "aborted", reason })]);
    this.#options.onChanged();
  }

  async #refused(turnId: string, message: string): Promise<void> {
    if (this.#queue.open !== turnId || this.#options.isEnding()) return;
    this.#queue.close(turnId);
    await this.#session.appendOwn([
      {
        type: "error",
        data: {
          code: "agent_failed",
          message: `Cannot give the prompt to the agent: ${message}`,
          retryable: false,
          turn_id: turnId,
        },
      },
      ownResult(this.#session, turnId, { status: "error", reason: message, durationMs: this.durationOf(turnId) }),
    ]);
    this.#options.onChanged();
  }
}
