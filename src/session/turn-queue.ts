/**
 * The queue of prompts. An agent gets the next one only when it is idle, so every accepted prompt ends in
 * exactly one result that names it. Pure: it decides, the supervisor acts.
 */
import type { StoredImage } from "../protocol/agent-options.ts";
import type { QueuedPrompt } from "../protocol/session.ts";

export interface Prompt {
  turnId: string;
  text: string;
  images?: readonly StoredImage[];
  /** An agent may have had it already: what the log said of that cannot be read. */
  isDoubtful?: boolean;
}

export class TurnQueue {
  #count = 0;
  #waiting: Prompt[] = [];
  #open: string | undefined;
  /** On their way into the log. */
  readonly #unrecorded = new Set<string>();

  /** The turn that the agent was given and has not ended. */
  get open(): string | undefined {
    return this.#open;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get count(): number {
    return this.#count;
  }

  /** Nothing is running and nothing waits. */
  get isEmpty(): boolean {
    return this.#open === undefined && this.#waiting.length === 0;
  }

  list(): QueuedPrompt[] {
    return this.#waiting.map(({ turnId, text }, index) => ({ turn_id: turnId, text, position: index + 1 }));
  }

  mintTurnId(): string {
    this.#count += 1;
    return `t${this.#count}`;
  }

  /**
   * Adds a prompt; its position is 0 when nothing is before it. It has its place at once, but is not given out before it
   * is recorded: of what an agent does, the log must know why.
   */
  add(prompt: Prompt, { isRecorded }: { isRecorded: boolean }): number {
    this.#waiting.push(prompt);
    if (!isRecorded) this.#unrecorded.add(prompt.turnId);
    return this.#waiting.length - 1 + (this.#open === undefined ? 0 : 1);
  }

  /** The log has it. */
  recorded(turnId: string): void {
    this.#unrecorded.delete(turnId);
  }

  /** The prompt to give to an idle agent now; it becomes the open turn. */
  takeNext(): Prompt | undefined {
    const [first] = this.#waiting;
    if (this.#open !== undefined || (first && this.#unrecorded.has(first.turnId))) return undefined;
    const prompt = this.#waiting.shift();
    this.#open = prompt?.turnId;
    return prompt;
  }

  /** What a log says after a restart: so many turns so far, and these have no result. */
  restore(count: number, prompts: readonly Prompt[]): void {
    this.#count = count;
    this.#waiting = [...prompts];
  }

  /** The sidecar says that it runs this turn; when it is one of the waiting, it was given out before a restart. */
  markOpen(turnId: string): void {
    if (this.withdraw(turnId)) this.#open = turnId;
  }

  /** A result named this turn; after a restart that may be one that still counted as waiting. */
  close(turnId: string): void {
    if (this.#open === turnId) this.#open = undefined;
    else this.withdraw(turnId);
  }

  /** So many turns were numbered, some of which the log may not know: a steer that needed no turn of its own. */
  countAtLeast(count: number): void {
    this.#count = Math.max(this.#count, count);
  }

  /** Whether this session ever gave out this id. */
  knows(turnId: string): boolean {
    const number = Number(/^t([1-9]\d{0,14})$/.exec(turnId)?.[1] ?? 0);
    return number > 0 && number <= this.#count;
  }

  withdraw(turnId: string): boolean {
    const at = this.#waiting.findIndex((prompt) => prompt.turnId === turnId);
    if (at === -1) return false;
    this.#waiting.splice(at, 1);
    this.#unrecorded.delete(turnId);
    return true;
  }

  /** Takes all that wait off it, oldest first; the open turn goes on. */
  withdrawAll(): string[] {
    return this.#waiting.splice(0).map((prompt) => prompt.turnId);
  }

  /** Empties it: the turns that now need a result of ours. The open one first. */
  abandon(): string[] {
    const turns = this.#open === undefined ? [] : [this.#open];
    turns.push(...this.#waiting.map((prompt) => prompt.turnId));
    this.#open = undefined;
    this.#waiting = [];
    return turns;
  }
}
