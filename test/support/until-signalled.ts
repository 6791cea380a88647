/** For programs that start others: a signal lets them end what they started, as their own end would. */
import { endStarted } from "./started.ts";

const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Aborts at the first signal; the exit code is then that of a program that the signal ended. */
export function untilSignalled(): AbortSignal {
  const controller = new AbortController();
  for (const name of Object.keys(codes) as (keyof typeof codes)[]) {
    process.on(name, () => {
      // A wrapper passes on what the terminal has sent already: a second one means nothing.
      if (controller.signal.aborted) return;
      console.error(`${name}: ending what was started`);
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

/** Ends the process at a signal, once every daemon that it started is gone, with its sessions and its folders. */
export function endStartedOnSignal(): void {
  const signal = untilSignalled();
  signal.addEventListener("abort", () => {
    // What was under way fails now that its daemons go: that must not end us before they have gone.
    for (const event of ["uncaughtException", "unhandledRejection"] as const) process.on(event, () => undefined);
    void endStarted()
      .catch((error: unknown) => console.error(error))
      .finally(() => process.exit((signal.reason as Signalled).code));
  });
}

/** Rejects when the signal comes before the work is done. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let leave: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    leave = () => signal.removeEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    leave();
  }
}
