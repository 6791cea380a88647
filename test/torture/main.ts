/**
 * `npm run torture -- [--minutes N] [--seed S] [--actors N] [--real] [--keep]`: see torture.ts. Exits with 1 when it found
 * something. `-- --mutate NAME|all [--minutes N]` puts a fault into a build of its own, and exits with 1 when it finds
 * nothing: see mutations.ts.
 */
import { parseArgs } from "node:util";
import { Signalled, untilSignalled } from "../support/until-signalled.ts";
import { huntMutation } from "./hunt.ts";
import { mutationNamed } from "./mutated-dist.ts";
import { mutations } from "./mutations.ts";
import { startRealAgents } from "./real-agents.ts";
import { printReport } from "./report.ts";
import { torture } from "./torture.ts";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    actors: { type: "string", default: "4" },
    real: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    mutate: { type: "string" },
  },
});
const seed = Number(flags.seed);
const until = untilSignalled();
try {
  process.exit((await (flags.mutate === undefined ? search() : searchMutated(flags.mutate))) ? 0 : 1);
} catch (error) {
  console.error(error);
  process.exit(error instanceof Signalled ? error.code : 1);
}

/** True when nothing was found. */
async function search(): Promise<boolean> {
  const minutes = Number(flags.minutes ?? 1);
  console.log(`seed ${seed}, ${minutes} minutes, ${flags.actors} actors`);
  const real = flags.real ? await startRealAgents() : undefined;
  const report = await torture({
    seed,
    durationMs: minutes * 60_000,
    actors: Number(flags.actors),
    isKept: flags.keep,
    signal: until,
    ...(real ? { extra: real } : {}),
  }).finally(() => real?.stop());
  console.log(printReport(report));
  return report.problems.length === 0;
}

/** True when each was found. */
async function searchMutated(name: string): Promise<boolean> {
  let isEachFound = true;
  for (const mutation of name === "all" ? mutations : [mutationNamed(name)]) {
    const limitMs = Number(flags.minutes ?? 4) * 60_000;
    const { seconds, problem } = await huntMutation(mutation, {
      seed,
      limitMs,
      actors: Number(flags.actors),
      signal: until,
    });
    isEachFound &&= problem !== undefined;
    console.log(
      `${mutation.name.padEnd(28)} ${problem === undefined ? "NOT FOUND" : "found"} in ${seconds} s: ${problem?.slice(0, 300) ?? mutation.fault}`,
    );
  }
  return isEachFound;
}
