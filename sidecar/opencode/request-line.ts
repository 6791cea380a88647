/** Requests go out one after the other, once there is a conversation: an abort must not overtake its prompt. */
import type { Conversation } from "./conversation.ts";

export class RequestLine {
  readonly #conversation: () => Promise<Conversation> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(conversation: () => Promise<Conversation> | undefined) {
    this.#conversation = conversation;
  }

  /** Resolves when this one is done. Never rejects: a failure goes to `onFailed`. */
  add(act: (conversation: Conversation) => Promise<void>, onFailed: (error: unknown) => Promise<void> | void) {
    this.#last = this.#last.then(async () => {
      try {
        const conversation = await this.#conversation();
        if (conversation) await act(conversation);
      } catch (error) {
        await onFailed(error);
      }
    });
    return this.#last;
  }
}
