/** Whether a session is to end when its turns have, and whether its agent has been told that no more will come. */
export class Drain {
  #isDraining: boolean;
  #isClosing = false;
  #hasFinished = false;

  constructor(options: { isOneShot: boolean }) {
    this.#isDraining = options.isOneShot;
  }

  /** Someone asks for it: no more prompts are taken. */
  close(): void {
    this.#isDraining = true;
    this.#isClosing = true;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** True once, when it is to end and nothing is left to do: now the agent is to be told. */
  finish(isDone: boolean): boolean {
    if (!this.#isDraining || this.#hasFinished || !isDone) return false;
    this.#hasFinished = true;
    return true;
  }

  get standing(): "closing" | "finished" | "draining" | "open" {
    if (this.#isClosing) return "closing";
    if (this.#hasFinished) return "finished";
    return this.#isDraining ? "draining" : "open";
  }
}
