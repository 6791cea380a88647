/** Acts of which only so many go on at once; the others wait, in the order in which they were asked for. */
export class AtMost {
  readonly #count: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#running < this.#count) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await act();
    } finally {
      // Whoever waits takes over this place.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
