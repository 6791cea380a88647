/** A text that comes in pieces: each is told without its secrets, and what may be the beginning of one waits for the next. */
import { endsNearBreak } from "./line-breaks.ts";
import { contextCharacters, hidden, outMax, type SecretWords } from "./secret-words.ts";

export class TextStream {
  readonly #words: SecretWords;
  /** What is not out yet, behind what is needed of what is. */
  #rest = "";
  /** How many characters of it are out. */
  #outCount = 0;

  constructor(words: SecretWords) {
    this.#words = words;
  }

  /** What can be told now. `isSuspect` is false when a look has found that nothing in the piece can belong to a secret's end. */
  push(piece: string, isSuspect = true): string {
    if (!isSuspect && this.#rest.length === this.#outCount) {
      // Nearly all pieces go this way: what is no longer needed of them is cut off when the next one needs the rest.
      const end = this.#isContextIn(piece) ? piece : this.#rest.slice(-contextCharacters) + piece;
      if (!this.#words.mayHaveBegunIn(end)) {
        this.#rest = end;
        this.#outCount = end.length;
        return piece;
      }
    }
    this.#trim();
    const text = this.#rest + piece;
    const { ranges, openFrom } = this.#words.decide(text);
    const told = hidden(text, ranges, this.#outCount, openFrom);
    const keepFrom = Math.max(ranges.at(-1)?.[1] ?? 0, openFrom - contextCharacters, 0);
    this.#rest = text.slice(keepFrom);
    // What is out may be the beginning of one too.
    this.#outCount = Math.max(this.#outCount, openFrom) - keepFrom;
    return told;
  }

  /** The text has ended: what is left of it. */
  end(): string {
    this.#trim();
    const text = this.#rest;
    const told = hidden(text, this.#words.decideAll(text), this.#outCount);
    this.#rest = "";
    this.#outCount = 0;
    return told;
  }

  #trim(): void {
    const surplus = Math.max(0, this.#outCount - contextCharacters);
    this.#rest = this.#rest.slice(surplus);
    this.#outCount -= surplus;
  }

  /** Whether what came before a piece is not needed to see what begins in it or in the next. A break may have begun before it. */
  #isContextIn(piece: string): boolean {
    if (piece.length > contextCharacters) return true;
    return piece.length > outMax && !endsNearBreak(piece) && !endsNearBreak(this.#rest);
  }
}
