/** Calls that are under way, by the secret that let them in: they end with it, however long they would have lasted. */
import type { Caller } from "./caller.ts";

interface Group {
  ends: Set<(reason: string) => void>;
  /** Until its token expires; absent for one that does not. */
  timer?: NodeJS.Timeout;
}

/** A clock may be put forward, of which no timer hears; nor does one go for longer than 24 days. */
const lookEveryMs = 30_000;

export class LiveCalls {
  readonly #groups = new Map<string, Group>();

  /** `end` is called once its token is no longer good. The answer is to be called when the call is over. */
  begin({ secretId, expiresAt }: Caller, end: (reason: string) => void): () => void {
    if (secretId === undefined) return () => undefined;
    const group = this.#groups.get(secretId) ?? { ends: new Set() };
    this.#groups.set(secretId, group);
    group.ends.add(end);
    if (expiresAt !== undefined && group.timer === undefined) this.#endAt(expiresAt, secretId, group);
    return () => {
      group.ends.delete(end);
      if (group.ends.size === 0 && this.#groups.get(secretId) === group) this.#forget(secretId);
    };
  }

  end(secretId: string, reason: string): void {
    const group = this.#groups.get(secretId);
    this.#forget(secretId);
    for (const end of group?.ends ?? []) end(reason);
  }

  close(): void {
    for (const secretId of [...this.#groups.keys()]) this.#forget(secretId);
  }

  #endAt(expiresAt: number, secretId: string, group: Group): void {
    const leftMs = expiresAt - Date.now();
    group.timer = setTimeout(
      () => {
        if (Date.now() >= expiresAt) this.end(secretId, "the token has expired");
        else this.#endAt(expiresAt, secretId, group);
      },
      // A timer may be a millisecond early.
      Math.min(Math.max(leftMs, 0) + 1, lookEveryMs),
    );
    group.timer.unref();
  }

  #forget(secretId: string): void {
    clearTimeout(this.#groups.get(secretId)?.timer);
    this.#groups.delete(secretId);
  }
}
