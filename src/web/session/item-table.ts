/**
 * What a conversation is made of, without a word of its text: for each part its kind and where its lines are in the log.
 * An item's key stays what it is: those that are read later and stand before all others have keys below 0. 35 bytes a part, so that a hundred thousand of them are nothing; their text is read again when they are looked at.
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
/** Its lines are elsewhere than where it began: there stands what is its second line for others. */
const moved = 4;

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
  /** Four numbers an item: the start and end of its first lines, and of its second. Starts grow from key to key: items are found by them. */
  #spans = new Float64Array(this.#capacity * 4);
  /** Keys are from `first` to before `end`; 0 stands so far into the arrays. */
  #first = 0;
  #end = 0;
  #zero = 0;
  /** Where the second line stands before the first, which is never of one that was followed: by that second line. */
  readonly #early = new Map<number, number>();

  get count(): number {
    return this.#end - this.#first;
  }

  get first(): number {
    return this.#first;
  }

  /** Returns its key. */
  add(kind: ItemKind, span: Span, flagged = 0): number {
    if (this.#zero + this.#end === this.#capacity) this.#grow(this.#zero, this.#capacity + 1);
    const key = this.#end++;
    this.#kinds[this.#zero + key] = itemKinds.indexOf(kind);
    this.#flags[this.#zero + key] = flagged;
    this.setSpan(key, span);
    return key;
  }

  /** All of another table, before what is here. Returns what its keys become greater by. */
  prepend(earlier: ItemTable): number {
    const { count } = earlier;
    const room = this.#zero + this.#first;
    // Room for as many again as there are, so that piece by piece costs no more than all at once.
    if (room < count) this.#grow(this.#zero + count + this.count, this.#capacity + count + this.count);
    const at = this.#zero + this.#first - count;
    const from = earlier.#zero + earlier.#first;
    this.#kinds.set(earlier.#kinds.subarray(from, from + count), at);
    this.#flags.set(earlier.#flags.subarray(from, from + count), at);
    this.#spans.set(earlier.#spans.subarray(from * 4, (from + count) * 4), at * 4);
    const shift = this.#first - count - earlier.#first;
    for (const [offset, key] of earlier.#early) this.#early.set(offset, key + shift);
    this.#first -= count;
    return shift;
  }

  at(key: number): Item {
    const at = (this.#zero + key) * 4;
    const [start = 0, end = 0, secondStart = 0, secondEnd = 0] = this.#spans.subarray(at, at + 4);
    const flagged = this.#flags[this.#zero + key] ?? 0;
    const second = secondEnd > 0 ? { start: secondStart, end: secondEnd } : undefined;
    const isMoved = (flagged & moved) !== 0;
    return {
      kind: this.kindAt(key),
      span: isMoved && second ? second : { start, end },
      second: isMoved ? undefined : second,
      isSub: (flagged & flags.sub) !== 0,
      hasFailed: (flagged & flags.failed) !== 0,
    };
  }

  kindAt(key: number): ItemKind {
    return itemKinds[this.#kinds[this.#zero + key] ?? 0] ?? "note";
  }

  setSpan(key: number, { start, end }: Span): void {
    const at = (this.#zero + key) * 4;
    this.#spans[at] = start;
    this.#spans[at + 1] = end;
  }

  setSecond(key: number, { start, end }: Span): void {
    const at = (this.#zero + key) * 4;
    this.#spans[at + 2] = start;
    this.#spans[at + 3] = end;
    if (start < (this.#spans[at] ?? 0)) this.#early.set(start, key);
  }

  /** Its lines are those from now on. It stays among the others where it began: between them calls may have come. */
  moveTo(key: number, span: Span): void {
    this.setSecond(key, span);
    this.flag(key, moved);
  }

  flag(key: number, flagged: number): void {
    const at = this.#zero + key;
    this.#flags[at] = (this.#flags[at] ?? 0) | flagged;
  }

  /** The item to which the line at this offset belongs, which may have begun long before it. */
  indexHolding(offset: number): number {
    const known = this.#early.get(offset);
    if (known !== undefined) return known;
    const key = this.#indexAt(offset);
    for (let earlier = key; earlier >= Math.max(this.#first, key - lookBackMax); earlier--) {
      const at = (this.#zero + earlier) * 4;
      if (this.#spans[at + 2] === offset && (this.#spans[at + 3] ?? 0) > 0) return earlier;
    }
    return key;
  }

  /** The last item that begins at this offset or before it. */
  #indexAt(offset: number): number {
    let [low, high] = [this.#first, this.#end - 1];
    while (low < high) {
      const middle = Math.floor((low + high + 1) / 2);
      if ((this.#spans[(this.#zero + middle) * 4] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** To at least so many, doubled until it fits, with 0 where it is to be. */
  #grow(zero: number, capacityMin: number): void {
    const [from, to] = [this.#zero + this.#first, this.#zero + this.#end];
    while (this.#capacity < capacityMin) this.#capacity *= 2;
    const at = zero + this.#first;
    const kinds = new Uint8Array(this.#capacity);
    kinds.set(this.#kinds.subarray(from, to), at);
    const flagged = new Uint8Array(this.#capacity);
    flagged.set(this.#flags.subarray(from, to), at);
    const spans = new Float64Array(this.#capacity * 4);
    spans.set(this.#spans.subarray(from * 4, to * 4), at * 4);
    this.#kinds = kinds;
    this.#flags = flagged;
    this.#spans = spans;
    this.#zero = zero;
  }
}
