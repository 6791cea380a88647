/**
 * Sessions that nobody attends to and whose containers run: proxy, policy and network are theirs as anybody else's. Of one whose
 * container could not be asked for yet it is taken that it runs.
 */
export class Kept {
  readonly #containers = new Map<string, string | undefined>();

  get size(): number {
    return this.#containers.size;
  }

  get ids(): Iterable<string> {
    return this.#containers.keys();
  }

  has(sessionId: string): boolean {
    return this.#containers.has(sessionId);
  }

  add(sessionId: string): void {
    if (!this.has(sessionId)) this.#containers.set(sessionId, undefined);
  }

  /** False when that was known. */
  found(sessionId: string, containerId: string): boolean {
    if (this.#containers.get(sessionId) === containerId) return false;
    this.#containers.set(sessionId, containerId);
    return true;
  }

  drop(sessionId: string): void {
    this.#containers.delete(sessionId);
  }

  /** The session of that container, not another one of the same id. */
  gone(sessionId: string, containerId: string): void {
    if (this.#containers.get(sessionId) === containerId) this.drop(sessionId);
  }
}
