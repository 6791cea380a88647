/**
 * Ends whose beginnings were not read: a log is read from its end backwards, so a result may be there before its call. What is
 * read later, and stands before, is joined to them. Pure.
 */
import type { Turn } from "./conversation.ts";

/** The first so many: beginnings are found just before where the reading began. */
const kindMax = 1000;

export class LooseEnds {
  /** Results of tools by their call, and the items that they became; answers by their question. */
  readonly results = new Map<string, number>();
  readonly answers = new Map<string, number>();
  /** Messages that came whole: their pieces are no items. */
  readonly wholes = new Set<string>();
  /** Turns of which only the end was read. */
  readonly turns = new Map<string, Turn>();
  /** Calls of turns of which the beginning was not read. */
  readonly callCounts = new Map<string, number>();

  note<T>(ends: Map<string, T>, id: string, value: T): void {
    if (ends.size < kindMax || ends.has(id)) ends.set(id, value);
  }

  noteWhole(id: string): void {
    if (this.wholes.size < kindMax) this.wholes.add(id);
  }

  countCall(turnId: string, count = 1): void {
    this.note(this.callCounts, turnId, (this.callCounts.get(turnId) ?? 0) + count);
  }

  /** Those of a part that stands before, whose items have keys that are greater by `shift` now. They are looked for next. */
  adopt(earlier: LooseEnds, shift: number): void {
    putFirst(this.results, earlier.results, (key) => key + shift);
    putFirst(this.answers, earlier.answers, (key) => key + shift);
    putFirst(this.turns, earlier.turns, (turn) => turn);
    const wholes = [...earlier.wholes, ...this.wholes].slice(0, kindMax);
    this.wholes.clear();
    for (const id of wholes) this.wholes.add(id);
  }
}

function putFirst<T>(ends: Map<string, T>, earlier: ReadonlyMap<string, T>, moved: (value: T) => T): void {
  const own = [...ends];
  ends.clear();
  for (const [id, value] of earlier) ends.set(id, moved(value));
  for (const [id, value] of own) if (ends.size < kindMax) ends.set(id, value);
}
