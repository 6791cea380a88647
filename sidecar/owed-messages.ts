/** Messages that the agent was given and whose turns have not ended. Bounded: whoever steers and steers fills neither its driver nor itself. */
import type { HarnessOutput } from "./harness.ts";

const messagesMax = 1000;
const charactersMax = 64 * 1024 * 1024;

interface Owed {
  messages: number;
  characters: number;
}

export class OwedMessages {
  readonly #byTurn = new Map<string, Owed>();
  #total: Owed = { messages: 0, characters: 0 };

  /** Throws when no more may come before a turn has ended. */
  assertRoom(characters: number): void {
    const { messages } = this.#total;
    if (messages < messagesMax && this.#total.characters + characters <= charactersMax) return;
    throw new Error(
      `Cannot pass on the message: ${messages} wait for the end of their turn already; send it again when one has ended`,
    );
  }

  add(turnId: string, characters: number): void {
    const owed = this.#byTurn.get(turnId) ?? { messages: 0, characters: 0 };
    this.#byTurn.set(turnId, { messages: owed.messages + 1, characters: owed.characters + characters });
    this.#total = { messages: this.#total.messages + 1, characters: this.#total.characters + characters };
  }

  /** The turn is over, or never began. */
  settle(turnId: string): void {
    const owed = this.#byTurn.get(turnId);
    if (!owed) return;
    this.#byTurn.delete(turnId);
    this.#total = {
      messages: this.#total.messages - owed.messages,
      characters: this.#total.characters - owed.characters,
    };
  }

  /** What the agent's driver emits, in passing. */
  note(outputs: readonly HarnessOutput[]): void {
    for (const { event } of outputs) if (event.type === "result") this.settle(event.data.turn_id);
  }
}
