import { constants } from "node:os";

/** The number behind a signal's name: a death by signal is reported as 128 + this, as shells do. */
export function signalNumber(signal: NodeJS.Signals): number {
  return constants.signals[signal];
}

/** The signal that such a code stands for. */
export function signalOf(code: number): NodeJS.Signals | undefined {
  return signals.find((signal) => signalNumber(signal) + 128 === code);
}

const signals: readonly NodeJS.Signals[] = [
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL"] as const),
  ...(["SIGSEGV", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGXCPU", "SIGXFSZ", "SIGSYS"] as const),
];
