/** Acts that are done one after the other, in the order in which they were asked for. One that fails holds up none behind it. */
export class InTurn {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(act: () => Promise<T>): Promise<T> {
    const own = this.#last.then(act);
    this.#last = own.catch(() => undefined);
    return own;
  }
}
