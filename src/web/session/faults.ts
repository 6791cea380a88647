/** What went wrong, as it stands above a conversation; and trying again what may pass. Pure but for its pauses. */
import { type ReadonlySignal, signal } from "@preact/signals";
import { canPass, pause } from "../../client/retry.ts";

const retryMsMin = 100;
const retryMsMax = 5000;

export interface FaultsOptions {
  /** Nobody looks any more. */
  over: AbortSignal;
  wordsOf(error: unknown): string;
}

export class Faults {
  readonly #shown = signal("");
  readonly #options: FaultsOptions;
  /** What the page does by itself and does not get done, and the words for it. */
  readonly #undone = new Map<string, string>();

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  get shown(): ReadonlySignal<string> {
    return this.#shown;
  }

  /** Of what a person did: it stands there until something that people do goes well. */
  note(error: unknown): void {
    if (!this.#options.over.aborted) this.#shown.value = this.#options.wordsOf(error);
  }

  /** Of what the page does by itself: it stands there until that goes well. */
  noteOf(task: string, error: unknown): void {
    if (this.#options.over.aborted) return;
    this.note(error);
    this.#undone.set(task, this.#shown.value);
  }

  isWell(task: string): void {
    const words = this.#undone.get(task);
    this.#undone.delete(task);
    if (this.#shown.value === words && ![...this.#undone.values()].includes(words)) this.#shown.value = "";
  }

  /** Until it goes well, as long as what hinders it may pass. Rejects with what does not, and when nobody looks any more. */
  async persist<T>(task: string, act: () => Promise<T>): Promise<T> {
    const { over } = this.#options;
    for (let retryMs = retryMsMin; ; retryMs = Math.min(retryMs * 2, retryMsMax)) {
      try {
        const done = await act();
        this.isWell(task);
        return done;
      } catch (error) {
        if (over.aborted || !canPass(error)) throw error;
        this.noteOf(task, error);
      }
      await pause(retryMs, over);
      over.throwIfAborted();
    }
  }

  /** Whether the daemon accepted it. That the look at what became of it fails is another matter: done is done, and must not be done again. */
  async tried(act: () => Promise<unknown>, look: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      this.#shown.value = "";
    } catch (error) {
      this.note(error);
      return false;
    }
    try {
      await look();
      this.isWell("look");
    } catch (error) {
      this.noteOf("look", error);
    }
    return true;
  }
}
