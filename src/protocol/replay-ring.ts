/**
 * The bounded recent past of a byte stream, addressed by offset. A cache of the log's tail: what it no
 * longer holds is read from the file. Grown on demand, so that a quiet session costs next to nothing.
 */

const firstCapacity = 16 * 1024;

export class ReplayRing {
  readonly #capacityMax: number;
  #bytes: Buffer = Buffer.alloc(0);
  #end: number;
  #length = 0;

  /** `end` is the offset at which the stream goes on; nothing before it is held. */
  constructor(options: { capacityMax: number; end: number }) {
    this.#capacityMax = options.capacityMax;
    this.#end = options.end;
  }

  /** Offset of the first byte held. */
  get start(): number {
    return this.#end - this.#length;
  }

  /** Offset after the last byte. */
  get end(): number {
    return this.#end;
  }

  /** Memory taken, in bytes. */
  get capacity(): number {
    return this.#bytes.length;
  }

  push(chunk: Buffer): void {
    const kept = chunk.length > this.#capacityMax ? chunk.subarray(chunk.length - this.#capacityMax) : chunk;
    this.#grow(this.#length + kept.length);
    const capacity = this.#bytes.length;
    this.#end += chunk.length;
    const at = (this.#end - kept.length) % capacity;
    const untilWrap = Math.min(kept.length, capacity - at);
    kept.copy(this.#bytes, at, 0, untilWrap);
    kept.copy(this.#bytes, 0, untilWrap);
    this.#length = Math.min(capacity, kept === chunk ? this.#length + kept.length : kept.length);
  }

  /** A copy of the bytes [from, to); undefined when the ring no longer, or does not yet, hold all of them. */
  read(from: number, to: number): Buffer | undefined {
    if (from < this.start || to > this.#end || from > to) return undefined;
    const out = Buffer.allocUnsafe(to - from);
    if (out.length === 0) return out;
    const capacity = this.#bytes.length;
    const at = from % capacity;
    const untilWrap = Math.min(out.length, capacity - at);
    this.#bytes.copy(out, 0, at, at + untilWrap);
    this.#bytes.copy(out, untilWrap, 0, out.length - untilWrap);
    return out;
  }

  /** Gives the memory back; the stream's end is kept. */
  release(): void {
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
  }

  #grow(wanted: number): void {
    const capacity = this.#bytes.length;
    if (wanted <= capacity || capacity === this.#capacityMax) return;
    let next = Math.max(capacity, firstCapacity);
    while (next < wanted) next *= 2;
    next = Math.min(next, this.#capacityMax);
    const held = this.read(this.start, this.#end) ?? Buffer.alloc(0);
    this.#bytes = Buffer.allocUnsafe(next);
    const at = (this.#end - held.length) % next;
    const untilWrap = Math.min(held.length, next - at);
    held.copy(this.#bytes, at, 0, untilWrap);
    held.copy(this.#bytes, 0, untilWrap);
  }
}
