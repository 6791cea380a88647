/**
 * What a conversation is made of, without a word of its text: for each part its kind and where its lines are in the log.
 * 35 bytes a part, so that a hundred thousand of them are nothing; their text is read again when they are looked at.
 */

export const itemKinds = ["user", "agent", "tool", "result", "input", "note", "error", "output", "exit"] as const;
export type ItemKind = (typeof itemKinds)[number];

/** Bytes [start, end) of the log. */
export interface Span {
  start: number;
  end: number;
}

/** Of a subagent; failed. */
export const flags = { sub: 1, failed: 2 } as const;

/** Between a call and its result stand few others. */
const lookBackMax = 10_000;

export interface Item {
  kind: ItemKind;
  span: Span;
  /** Where its other line is: the result of a tool, the answer to a question. */
  second: Span | undefined;
  isSub: boolean;
  hasFailed: boolean;
}

export class ItemTable {
  #capacity = 1024;
  #kinds = new Uint8Array(this.#capacity);
  #flags = new Uint8Array(this.#capacity);
  /** Four numbers an item: the start and end of its first lines, and of its second. */
  #spans = new Float64Array(this.#capacity * 4);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Returns its index. */
  add(kind: ItemKind, span: Span, flagged = 0): number {
    if (this.#count === this.#capacity) this.#grow();
    const index = this.#count++;
    this.#kinds[index] = itemKinds.indexOf(kind);
    this.#flags[index] = flagged;
    this.setSpan(index, span);
    return index;
  }

  at(index: number): Item {
    const at = index * 4;
    const [start = 0, end = 0, secondStart = 0, secondEnd = 0] = this.#spans.subarray(at, at + 4);
    const flagged = this.#flags[index] ?? 0;
    return {
      kind: this.kindAt(index),
      span: { start, end },
      second: secondEnd > 0 ? { start: secondStart, end: secondEnd } : undefined,
      isSub: (flagged & flags.sub) !== 0,
      hasFailed: (flagged & flags.failed) !== 0,
    };
  }

  kindAt(index: number): ItemKind {
    return itemKinds[this.#kinds[index] ?? 0] ?? "note";
  }

  setSpan(index: number, { start, end }: Span): void {
    this.#spans[index * 4] = start;
    this.#spans[index * 4 + 1] = end;
  }

  setSecond(index: number, { start, end }: Span): void {
    this.#spans[index * 4 + 2] = start;
    this.#spans[index * 4 + 3] = end;
  }

  flag(index: number, flagged: number): void {
    this.#flags[index] = (this.#flags[index] ?? 0) | flagged;
  }

  /** The item whose first lines hold this offset, or the last one that begins before it. */
  indexAt(offset: number): number {
    let [low, high] = [0, this.#count - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#spans[middle * 4] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The same for any line: one that is the second of an item that began earlier belongs to that. */
  indexHolding(offset: number): number {
    const index = this.indexAt(offset);
    for (let earlier = index; earlier >= Math.max(0, index - lookBackMax); earlier--)
      if (this.#spans[earlier * 4 + 2] === offset && (this.#spans[earlier * 4 + 3] ?? 0) > 0) return earlier;
    return index;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#kinds = grown(this.#kinds, new Uint8Array(this.#capacity));
    this.#flags = grown(this.#flags, new Uint8Array(this.#capacity));
    this.#spans = grown(this.#spans, new Float64Array(this.#capacity * 4));
  }
}

function grown<T extends Uint8Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
