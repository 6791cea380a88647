/** For programs that start others: a signal lets them end what they started, as their own end would. */

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Aborts at the first signal; the exit code is then that of a program that the signal ended. */
export function untilSignalled(): AbortSignal {
  const controller = new AbortController();
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  for (const name of names) {
    process.on(name, () => {
      // A wrapper passes on what the terminal has sent already: a second one means nothing.
      if (controller.signal.aborted) return;
      console.error(`${name}: ending what was started`);
      process.exitCode = codes[name];
      controller.abort(new Signalled(name, codes[name]));
    });
  }
  return controller.signal;
}

export class Signalled extends Error {
  readonly code: number;

  constructor(name: string, code: number) {
    super(`ended by ${name}`);
    this.code = code;
  }
}
