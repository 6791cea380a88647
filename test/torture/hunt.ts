/** Looks for a fault that was put in on purpose: short runs, one seed after the other, until one of them finds it. */
import { join } from "node:path";
import { tempDir } from "../support/temp-dir.ts";
import { buildMutated } from "./mutated-dist.ts";
import type { Mutation } from "./mutations.ts";
import { torture } from "./torture.ts";

export interface Hunt {
  seconds: number;
  /** The first thing that was found; undefined when nothing was. */
  problem: string | undefined;
}

const roundMs = 20_000;

export async function huntMutation(
  mutation: Mutation,
  options: { seed: number; limitMs: number; actors: number; signal?: AbortSignal },
): Promise<Hunt> {
  const dir = await tempDir();
  const begunAt = performance.now();
  const seconds = () => Math.round((performance.now() - begunAt) / 1000);
  try {
    const dist = join(dir.path, "dist");
    await buildMutated(mutation, dist);
    for (let round = 0; performance.now() - begunAt < options.limitMs; round++) {
      const seed = options.seed + round;
      const [problem] = await torture({
        seed,
        durationMs: roundMs,
        actors: options.actors,
        dist,
        // Who would not see it only takes the processor from what shows it.
        ...(mutation.isOfChats ? {} : { chatters: 0 }),
        ...(mutation.weights ? { weights: mutation.weights } : {}),
        ...(options.signal ? { signal: options.signal } : {}),
      }).then(
        ({ problems }) => problems,
        (error: unknown) => {
          options.signal?.throwIfAborted();
          return [`the run came to no end: ${error}`];
        },
      );
      if (problem !== undefined) return { seconds: seconds(), problem };
    }
    return { seconds: seconds(), problem: undefined };
  } finally {
    await dir.remove();
  }
}
