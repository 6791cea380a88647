/** What processes use, sampled over time, and how it grows. */
import { existsSync, readdirSync } from "node:fs";
import { childrenOf, cpuMs, privateKib } from "../bench/process-figures.ts";

export interface Sample {
  /** Seconds since the first. */
  atS: number;
  daemonKib: number;
  daemonHandles: number;
  sidecars: number;
}

export class Sampler {
  readonly samples: Sample[] = [];
  readonly #pid: number;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;

  #resolveGone: () => void = () => undefined;
  /** Resolves when a sample was due and there was no daemon any more. */
  readonly gone: Promise<void>;

  constructor(daemonPid: number, everyMs: number, onSample: (sample: Sample) => void = () => undefined) {
    this.#pid = daemonPid;
    this.gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    this.#timer = setInterval(() => {
      const sample = this.#tryToTake();
      if (sample) onSample(sample);
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tryToTake(): Sample | undefined {
    try {
      return this.#take();
    } catch (error) {
      if (existsSync(`/proc/${this.#pid}/stat`)) throw error;
      this.stop();
      this.#resolveGone();
      return undefined;
    }
  }

  #take(): Sample {
    const sample = {
      atS: (performance.now() - this.#startedAt) / 1000,
      daemonKib: privateKib(this.#pid),
      daemonHandles: readdirSync(`/proc/${this.#pid}/fd`).length,
      sidecars: childrenOf(this.#pid, "sidecar").length,
    };
    this.samples.push(sample);
    return sample;
  }
}

/** Processor time so far: of the daemon, and of all its sidecars together. */
export function cpuOf(daemonPid: number): { daemonMs: number; sidecarsMs: number } {
  const sidecars = childrenOf(daemonPid, "sidecar");
  return { daemonMs: cpuMs(daemonPid), sidecarsMs: sidecars.reduce((sum, pid) => sum + cpuMs(pid), 0) };
}

/** Least squares: how much `value` grows in an hour. */
export function slopePerHour(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const n = samples.length;
  const meanX = samples.reduce((sum, { atS }) => sum + atS, 0) / n;
  const meanY = samples.reduce((sum, sample) => sum + value(sample), 0) / n;
  let above = 0;
  let below = 0;
  for (const sample of samples) {
    above += (sample.atS - meanX) * (value(sample) - meanY);
    below += (sample.atS - meanX) ** 2;
  }
  return below === 0 ? 0 : (above / below) * 3600;
}
