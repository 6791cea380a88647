/** Calls that are under way, by the token that let them in: they end with it, however long they would have lasted. */
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
  begin({ tokenId, expiresAt = Number.POSITIVE_INFINITY }: Caller, end: (reason: string) => void): () => void {
    if (tokenId === undefined) return () => undefined;
    const group = this.#groups.get(tokenId) ?? { expiresAt, ends: new Set() };
    this.#groups.set(tokenId, group);
    group.ends.add(end);
    return () => {
      group.ends.delete(end);
      if (group.ends.size === 0 && this.#groups.get(tokenId) === group) this.#groups.delete(tokenId);
    };
  }

  end(tokenId: string, reason: string): void {
    const group = this.#groups.get(tokenId);
    this.#groups.delete(tokenId);
    for (const end of group?.ends ?? []) end(reason);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #endExpired(): void {
    const now = Date.now();
    for (const [tokenId, { expiresAt }] of this.#groups)
      if (expiresAt <= now) this.end(tokenId, "the token has expired");
  }
}
