/** Subagents that go on between turns. Commands in the background are not counted: a server would never be done. */

const countedTypes = /agent|workflow|teammate/;

export class BackgroundWork {
  #count = 0;
  #isNoticeDue = false;
  #isSessionBusy = false;

  /** Work that the agent has yet to speak about. */
  get count(): number {
    return this.#count + (this.#isNoticeDue ? 1 : 0);
  }

  /** `isBetweenTurns`: the last one's end is reported before the turn that the agent begins because of it. */
  changed(tasks: readonly { task_type?: string | null | undefined }[], isBetweenTurns: boolean): void {
    const count = tasks.filter(({ task_type }) => countedTypes.test(task_type ?? "")).length;
    if (count < this.#count && isBetweenTurns && this.#isSessionBusy) this.#isNoticeDue = true;
    this.#count = count;
  }

  turnBegan(): void {
    this.#isNoticeDue = false;
  }

  /** The CLI says `idle` only when nothing at all is under way (2.1.329). */
  sessionIs(state: string): void {
    this.#isSessionBusy = state !== "idle";
    if (state === "idle") this.#isNoticeDue = false;
  }

  ended(): void {
    this.#count = 0;
    this.#isNoticeDue = false;
  }
}
