/** What one caller does over and over and what changes nothing: told once, then counted, and the count told a minute later. */
import type { AuditEntry } from "../protocol/access.ts";

export type Noted = Omit<AuditEntry, "seq" | "at">;

interface Kind {
  last: Noted;
  more: number;
}

const tellEveryMs = 60_000;
/** Told of at once when there are more: as many as a thousand tokens would need that are all refused one thing. */
const kindsMax = 1000;

export class Repeats {
  readonly #kinds = new Map<string, Kind>();
  readonly #tell: (entry: Noted) => void;
  readonly #timer = setInterval(() => this.tellCounts(), tellEveryMs);

  constructor(tell: (entry: Noted) => void) {
    this.#tell = tell;
    this.#timer.unref();
  }

  note(entry: Noted): void {
    const key = JSON.stringify([entry.caller, entry.token_id, entry.act, entry.by, entry.error]);
    const kind = this.#kinds.get(key);
    if (kind) {
      kind.last = entry;
      kind.more += 1;
      return;
    }
    if (this.#kinds.size >= kindsMax) this.tellCounts();
    this.#kinds.set(key, { last: entry, more: 0 });
    this.#tell(entry);
  }

  /** From here on the next of each kind is the first again. */
  tellCounts(): void {
    const kinds = [...this.#kinds.values()];
    this.#kinds.clear();
    for (const { last, more } of kinds) {
      if (more === 0) continue;
      // They were about this and that: of which session or token is not told.
      const { session_id: _session, subject: _subject, ...rest } = last;
      this.#tell({ ...rest, repeated: more });
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.tellCounts();
  }
}
