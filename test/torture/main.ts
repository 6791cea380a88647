/** `npm run torture -- [--minutes N] [--seed S] [--actors N] [--real] [--keep]`: see torture.ts. Exits with 1 when it found something. */
import { parseArgs } from "node:util";
import { startRealAgents } from "./real-agents.ts";
import { printReport } from "./report.ts";
import { torture } from "./torture.ts";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    actors: { type: "string", default: "4" },
    real: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const seed = Number(flags.seed);
console.log(`seed ${seed}, ${flags.minutes} minutes, ${flags.actors} actors`);
const real = flags.real ? await startRealAgents() : undefined;
const report = await torture({
  seed,
  durationMs: Number(flags.minutes) * 60_000,
  actors: Number(flags.actors),
  isKept: flags.keep,
  ...(real ? { extra: real } : {}),
});
await real?.stop();
console.log(printReport(report));
process.exit(report.problems.length > 0 ? 1 : 0);
