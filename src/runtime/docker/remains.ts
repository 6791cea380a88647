/**
 * What is nobody's any more. Its parts are removed each by itself, and what could not be removed is tried again until it can: an
 * engine that starts anew would otherwise leave it for the daemon's whole life. What a daemon leaves undone, the next one finds.
 */
import { messageOf } from "../../protocol/error.ts";

const tryEveryMs = 10_000;

/** Removes one thing; nothing when it is gone already. */
export type Part = () => Promise<unknown>;

export class Remains {
  readonly #everyMs: number;
  readonly #left = new Set<Part>();
  #settling: Promise<string[]> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(everyMs = tryEveryMs) {
    this.#everyMs = everyMs;
  }

  /** In this order, also behind one that fails. Never rejects: resolves with what stood in the way. */
  async remove(parts: readonly Part[]): Promise<string[]> {
    const faults = new Set<string>();
    for (const part of parts) {
      try {
        await part();
        this.#left.delete(part);
      } catch (error) {
        this.#left.add(part);
        faults.add(messageOf(error));
      }
    }
    this.#wait();
    return [...faults];
  }

  /** Tries all that is left. Resolves with what still stands in the way. */
  settle(): Promise<string[]> {
    this.#settling ??= this.remove([...this.#left]).finally(() => {
      this.#settling = undefined;
    });
    return this.#settling;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  #wait(): void {
    if (this.#isClosed) return;
    if (this.#left.size > 0) {
      // Told when it was first found; the next try may be luckier.
      this.#timer ??= setInterval(() => void this.settle(), this.#everyMs).unref();
      return;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
