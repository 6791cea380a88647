/**
 * The commands that an agent runs for a turn: when the turn is cut short they must be gone, whether or not the agent
 * sees to it. What was there before the turn, or was left running by a command that ended, is not touched.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { findCgroup } from "../../src/process/cgroup.ts";
import { isSameProcess, type ProcessIdentity, signalProcess, startTimeOf } from "../../src/process/identity.ts";
import type { SessionMarks } from "../../src/process/session-marks.ts";
import { findSessionProcesses } from "../../src/process/tree.ts";

/** Agents end their commands right behind the answer to a cancel. */
const graceMs = 1_000;
const termMs = 1_000;
const killMs = 2_000;
const pollMs = 50;

export interface RunningCommandsOptions {
  marks: SessionMarks;
  /** The agent's. */
  pid: number;
  apart(): readonly ProcessIdentity[];
}

export class RunningCommands {
  readonly #marks: SessionMarks;
  readonly #apart: () => readonly ProcessIdentity[];
  readonly #roots: ProcessIdentity[];
  #known = new Set<string>();

  constructor({ marks, pid, apart }: RunningCommandsOptions) {
    const started = startTimeOf(pid);
    this.#marks = marks;
    this.#apart = apart;
    this.#roots = started === undefined ? [] : [{ pid, started }];
  }

  /** What runs now is no command of the turn that begins. */
  remember(): void {
    this.#known = new Set(this.#all().map(keyOf));
  }

  /** Waits for the agent to end what it started since, then ends it. */
  async end(): Promise<void> {
    let left = this.#all().filter((found) => !this.#known.has(keyOf(found)));
    const isGoneWithin = async (ms: number) => {
      const deadline = performance.now() + ms;
      for (;;) {
        left = left.filter(({ pid, started }) => isSameProcess(pid, started));
        if (left.length === 0 || performance.now() > deadline) return left.length === 0;
        await sleep(pollMs);
      }
    };
    if (await isGoneWithin(graceMs)) return;
    for (const target of left) signalProcess(target, "SIGTERM");
    if (await isGoneWithin(termMs)) return;
    for (const target of left) signalProcess(target, "SIGKILL");
    await isGoneWithin(killMs);
  }

  #all(): ProcessIdentity[] {
    return findSessionProcesses({
      ...this.#marks,
      roots: this.#roots,
      cgroup: findCgroup(this.#marks),
      apart: this.#apart,
    });
  }
}

function keyOf({ pid, started }: ProcessIdentity): string {
  return `${pid} ${started}`;
}
