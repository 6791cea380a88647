import { constants } from "node:os";

/** The number behind a signal's name: a death by signal is reported as 128 + this, as shells do. */
export function signalNumber(signal: NodeJS.Signals): number {
  return constants.signals[signal];
}
