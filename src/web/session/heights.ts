/** Heights of the rows of a long list: measured where it was looked at, estimated elsewhere; their sums in a Fenwick tree. Pure. */
export class Heights {
  #capacity = 1024;
  #values = new Float32Array(this.#capacity);
  #sums = new Float64Array(this.#capacity + 1);
  #count = 0;
  #total = 0;

  get count(): number {
    return this.#count;
  }

  get total(): number {
    return this.#total;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }

  push(height: number): void {
    if (this.#count === this.#capacity) this.#grow();
    this.#count++;
    this.set(this.#count - 1, height);
  }

  /** Rows that come before all others. */
  prepend(heights: readonly number[]): void {
    const all = new Float32Array(heights.length + this.#count);
    all.set(heights);
    all.set(this.#values.subarray(0, this.#count), heights.length);
    while (this.#capacity < all.length) this.#capacity *= 2;
    this.#count = all.length;
    this.#total = all.reduce((sum, height) => sum + height, 0);
    this.#take(all);
  }

  /** By how much it changed. */
  set(index: number, height: number): number {
    const change = Math.fround(height) - this.at(index);
    if (change === 0) return 0;
    this.#values[index] = height;
    this.#total += change;
    for (let at = index + 1; at <= this.#capacity; at += at & -at) this.#sums[at] = (this.#sums[at] ?? 0) + change;
    return change;
  }

  /** What stands above it. */
  before(index: number): number {
    let sum = 0;
    for (let at = index; at > 0; at -= at & -at) sum += this.#sums[at] ?? 0;
    return sum;
  }

  /** The row at that height; the last one beyond the end. */
  indexAt(y: number): number {
    let [at, rest] = [0, y];
    for (let step = this.#capacity; step > 0; step >>= 1) {
      const next = at + step;
      const sum = this.#sums[next];
      if (next <= this.#capacity && sum !== undefined && next <= this.#count && sum <= rest) {
        at = next;
        rest -= sum;
      }
    }
    return Math.max(0, Math.min(at, this.#count - 1));
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#take(this.#values);
  }

  #take(values: Float32Array): void {
    this.#values = new Float32Array(this.#capacity);
    this.#values.set(values);
    this.#sums = new Float64Array(this.#capacity + 1);
    for (let at = 1; at <= this.#capacity; at++) {
      const sum = (this.#sums[at] ?? 0) + (this.#values[at - 1] ?? 0);
      this.#sums[at] = sum;
      const above = at + (at & -at);
      if (above <= this.#capacity) this.#sums[above] = (this.#sums[above] ?? 0) + sum;
    }
  }
}
