/**
 * How a session's processes are ended: asked, then SIGTERM, then SIGKILL, then looked for until none is left.
 * Each rung is for the whole tree as it is at that moment: processes forked meanwhile are found by the next look.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { findCgroup } from "./cgroup.ts";
import { isSameProcess, type ProcessIdentity, signalProcess } from "./identity.ts";
import { findSessionProcesses, type TreeOptions } from "./tree.ts";

/** One way of asking, before any signal is sent. */
export interface AskStep {
  act(): void;
  /** The next rung is taken when this has passed… */
  waitMs: number;
  /** …or at once when this resolves. */
  until?: Promise<unknown>;
}

export interface StopOptions extends TreeOptions {
  asks: readonly AskStep[];
  /** Between SIGTERM and SIGKILL. */
  termWaitMs?: number;
  /** How long SIGKILL is repeated before giving up: a process in an uninterruptible call ends when the call does. */
  killWaitMs?: number;
}

export interface StopOutcome {
  /** The last rung that was needed. */
  needed: "nothing" | "ask" | "term" | "kill";
  /** What could not be ended; empty but for processes that the kernel cannot end either. */
  left: ProcessIdentity[];
}

export const defaultStopWaits = { interruptMs: 2_000, inputEndMs: 3_000, termMs: 3_000, killMs: 10_000 } as const;

const pollMs = 25;

export async function stopTree(options: StopOptions): Promise<StopOutcome> {
  if (findSessionProcesses(options).length === 0) return { needed: "nothing", left: [] };
  for (const ask of options.asks) {
    ask.act();
    if (await isGoneWithin(options, ask.waitMs, ask.until)) return { needed: "ask", left: [] };
  }
  signalAll(options, "SIGTERM");
  if (await isGoneWithin(options, options.termWaitMs ?? defaultStopWaits.termMs)) return { needed: "term", left: [] };
  return killTree(options);
}

/** SIGKILL at once, repeated until nothing is left. Finds the session's cgroup by itself and removes it. */
export async function killTree(options: TreeOptions & { killWaitMs?: number }): Promise<StopOutcome> {
  const cgroup = options.cgroup ?? findCgroup(options);
  const deadline = performance.now() + (options.killWaitMs ?? defaultStopWaits.killMs);
  let needed: StopOutcome["needed"] = "nothing";
  for (;;) {
    const left = findSessionProcesses({ ...options, cgroup });
    const isWhole = (options.apart?.() ?? []).length === 0;
    if (left.length === 0 && isWhole) cgroup?.remove();
    if (left.length === 0 || performance.now() > deadline) return { needed, left };
    needed = "kill";
    if (isWhole) cgroup?.kill();
    for (const target of left) signalProcess(target, "SIGKILL");
    await sleep(pollMs);
  }
}

function signalAll(options: TreeOptions, signal: NodeJS.Signals): void {
  for (const target of findSessionProcesses(options)) signalProcess(target, signal);
}

/** Looks at the processes it knows first: reading all of /proc is only worth it when those are gone. */
async function isGoneWithin(options: TreeOptions, waitMs: number, until?: Promise<unknown>): Promise<boolean> {
  const deadline = performance.now() + waitMs;
  let mayGoOn = false;
  until?.then(
    () => (mayGoOn = true),
    () => (mayGoOn = true),
  );
  let known = findSessionProcesses(options);
  while (known.length > 0) {
    if (mayGoOn || performance.now() > deadline) return false;
    await sleep(pollMs);
    known = known.filter(({ pid, started }) => isSameProcess(pid, started));
    if (known.length === 0) known = findSessionProcesses(options);
  }
  return true;
}
