/** Requests go out one after the other, once there is a conversation: an abort must not overtake its prompt. */
import type { Conversation } from "./conversation.ts";

/** Requests that wait for their turn. A server that stands still must not make us remember all that it is to be asked. */
const waitingMax = 2000;

export class RequestLine {
  readonly #conversation: () => Promise<Conversation | undefined> | undefined;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(conversation: () => Promise<Conversation | undefined> | undefined) {
    this.#conversation = conversation;
  }

  /** Resolves when this one is done. Never rejects: a failure goes to `onFailed`. */
  add(act: (conversation: Conversation) => Promise<void>, onFailed: (error: unknown) => Promise<void> | void) {
    if (this.#waiting >= waitingMax) return this.#refuse(onFailed);
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      try {
        const conversation = await this.#conversation();
        if (conversation) await act(conversation);
      } catch (error) {
        await onFailed(error);
      }
      this.#waiting--;
    });
    return this.#last;
  }

  async #refuse(onFailed: (error: unknown) => Promise<void> | void): Promise<void> {
    await onFailed(new Error(`${this.#waiting} requests wait already for opencode, which does not answer`));
  }
}
