/** Calls that are under way, by the secret that let them in: they end with it, however long they would have lasted. */
import type { Caller } from "./caller.ts";

interface Group {
  expiresAt: number;
  ends: Set<(reason: string) => void>;
}

/** How late a call may end when its token expires. */
const lookEveryMs = 250;

export class LiveCalls {
  readonly #groups = new Map<string, Group>();
  readonly #timer = setInterval(() => this.#endExpired(), lookEveryMs);

  constructor() {
    this.#timer.unref();
  }

  /** `end` is called once its token is no longer good. The answer is to be called when the call is over. */
  begin({ secretId, expiresAt = Number.POSITIVE_INFINITY }: Caller, end: (reason: string) => void): () => void {
    if (secretId === undefined) return () => undefined;
    const group = this.#groups.get(secretId) ?? { expiresAt, ends: new Set() };
    this.#groups.set(secretId, group);
    group.ends.add(end);
    return () => {
      group.ends.delete(end);
      if (group.ends.size === 0 && this.#groups.get(secretId) === group) this.#groups.delete(secretId);
    };
  }

  end(secretId: string, reason: string): void {
    const group = this.#groups.get(secretId);
    this.#groups.delete(secretId);
    for (const end of group?.ends ?? []) end(reason);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #endExpired(): void {
    const now = Date.now();
    for (const [secretId, { expiresAt }] of this.#groups)
      if (expiresAt <= now) this.end(secretId, "the token has expired");
  }
}
