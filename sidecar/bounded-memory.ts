/** Maps that forget their oldest entry, and texts that stop growing: a session may go on for months. */

const entriesMax = 10_000;

export class BoundedMap<V> {
  readonly #entries = new Map<string, V>();

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  set(key: string, value: V): void {
    this.#entries.set(key, value);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > entriesMax && oldest !== undefined) this.#entries.delete(oldest);
  }
}

/** Messages that an agent streams at once: of one more the pieces are not passed on, but its whole. */
export const streamsMax = 1000;
/** Of all of them together. */
const textCharactersMax = 4 * 1024 * 1024;

/**
 * Text that streams, as far as it is kept for an end that may never come: its pieces are in the log all the same. `kept`
 * is how many characters are kept of all that streams, this one included.
 */
export function grown(text: string, piece: string, kept: number): string {
  return kept < textCharactersMax ? text + piece.slice(0, textCharactersMax - kept) : text;
}
