/**
 * At which step of which request somebody is killed: each moment of each step comes up once before any comes up again,
 * and one at which nobody came by is put back. So a run shows where it has struck, and where it never did.
 */
import { type Moment, moments, type Step } from "./caller.ts";
import type { Random } from "./random.ts";

export interface StepMoment {
  step: Step;
  moment: Moment;
}

export class StepDeck {
  /** Those that are taken in this run. */
  readonly steps: readonly Step[];
  #left: StepMoment[] = [];
  readonly #hits = new Map<string, number>();

  constructor(taken: readonly Step[]) {
    this.steps = taken;
  }

  /** The one that is to be next. */
  draw(random: Random): StepMoment {
    if (this.#left.length === 0) this.#left = this.steps.flatMap((step) => moments.map((moment) => ({ step, moment })));
    return random.pick(this.#left);
  }

  /** Whether it is among those that are still to come up. */
  wants({ step, moment }: StepMoment): boolean {
    return this.#left.some((left) => left.step === step && left.moment === moment);
  }

  /** Somebody was killed there. */
  note(struck: StepMoment): void {
    const name = nameOf(struck);
    this.#left = this.#left.filter((left) => nameOf(left) !== name);
    this.#hits.set(name, (this.#hits.get(name) ?? 0) + 1);
  }

  /** How often each was struck, also those that never were. */
  get hits(): Record<string, number> {
    const all = this.steps.flatMap((step) => moments.map((moment) => nameOf({ step, moment })));
    return Object.fromEntries(all.map((name) => [name, this.#hits.get(name) ?? 0]));
  }
}

function nameOf({ step, moment }: StepMoment): string {
  return `${step}, ${moment}`;
}
