/** Ctrl+C before there is anything on the screen that takes it: it is for the session that is being begun. */
import type { Terminal } from "./terminal.ts";

export interface EarlyInterrupt {
  readonly isHeard: boolean;
  /** Whoever watches takes it from now on. */
  stop(): void;
}

/** A second one leaves, whatever is waited for. */
export function hearInterrupt(terminal: Terminal, leave: () => never): EarlyInterrupt {
  let count = 0;
  const hear = () => {
    count += 1;
    if (count > 1) leave();
    terminal.note("Interrupted: the prompt is not begun. Press Ctrl+C again to leave");
  };
  process.on("SIGINT", hear);
  return {
    get isHeard() {
      return count > 0;
    },
    stop: () => process.off("SIGINT", hear),
  };
}
