/** Acts on one thing go one after the other; those on different things do not wait for each other. */

export class InTurn {
  readonly #last = new Map<string, Promise<void>>();

  /** Acts when all that was asked for before on the same thing is done, however that ended. */
  run<T>(key: string, act: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(key) ?? Promise.resolve()).then(act);
    const settled = done.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, settled);
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return done;
  }
}
