/**
 * Where diagnostics go: never waited for, and bounded when nobody reads. Node writes to a pipe or a socket without
 * blocking and keeps what does not fit; how much that may be is decided here. (pino's own destination would wait for
 * the reader at the exit.)
 */

/** Diagnostics that wait for a reader of stderr; what does not fit is dropped and counted. */
const waitingBytesMax = 1024 * 1024;
/** How long a daemon that leaves waits for its last lines to be read. */
const flushMs = 200;

export interface Stderr {
  write(line: string): void;
  /** Lines that were dropped because nobody read. */
  readonly dropped: number;
  /** Resolves when what was written has left, or nobody reads. */
  flush(): Promise<void>;
}

export function openStderr(): Stderr {
  const { stderr } = process;
  let dropped = 0;
  stderr.on("error", () => {
    // Whoever read it is gone. There is nobody left to tell.
  });
  return {
    write: (line) => {
      if (stderr.writableLength > waitingBytesMax) dropped += 1;
      else stderr.write(line);
    },
    get dropped() {
      return dropped;
    },
    flush: () =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, flushMs);
        stderr.write("", () => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
