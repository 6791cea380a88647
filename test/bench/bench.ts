/**
 * `npm run bench [-- --only KEY,KEY --runs N --sessions N]`: prints the table of docs/performance.md for this machine and
 * this build, and keeps it as JSON under .bench. One file in rows/ a figure; ratios where a machine's speed matters.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { endStartedOnSignal } from "../support/until-signalled.ts";
import { type Figure, isReached, type Row, tableOf } from "./row.ts";
import { containers } from "./rows/containers.ts";
import { deletion } from "./rows/deletion.ts";
import { fanOut } from "./rows/fan-out.ts";
import { firstEvent } from "./rows/first-event.ts";
import { growth } from "./rows/growth.ts";
import { latency } from "./rows/latency.ts";
import { leaving } from "./rows/leaving.ts";
import { longLiveLog } from "./rows/long-live-log.ts";
import { manySessions } from "./rows/many-sessions.ts";
import { memory } from "./rows/memory.ts";
import { oneSession } from "./rows/one-session.ts";
import { packedLog } from "./rows/packed-log.ts";
import { pastSessions } from "./rows/past-sessions.ts";
import { replay } from "./rows/replay.ts";
import { starts } from "./rows/starts.ts";
import { takeOver } from "./rows/take-over.ts";

const rows: Record<string, Row> = {
  "one-session": oneSession,
  "many-sessions": manySessions,
  "fan-out": fanOut,
  latency,
  replay,
  starts,
  "packed-log": packedLog,
  "past-sessions": pastSessions,
  "take-over": takeOver,
  leaving,
  "long-live-log": longLiveLog,
  deletion,
  memory,
  "first-event": firstEvent,
  growth,
  containers,
};

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(rows).join(",") },
    runs: { type: "string", default: "3" },
    sessions: { type: "string", default: "200" },
  },
});
const options = { runs: Number(flags.runs), sessions: Number(flags.sessions) };
const root = fileURLToPath(new URL("../..", import.meta.url));
const at = new Date().toISOString();
const file = join(root, ".bench", `${at.replaceAll(":", "-")}.json`);
const machine = { node: process.version, cpus: cpus().length, model: cpus()[0]?.model };
const measured: { row: string; load: number; figures: Figure[] }[] = [];
endStartedOnSignal();
await mkdir(join(root, ".bench"), { recursive: true });
for (const key of flags.only.split(",")) {
  const row = rows[key];
  if (!row) throw new Error(`There is no row "${key}"; there are ${Object.keys(rows).join(", ")}`);
  const load = loadavg()[0] ?? Number.NaN;
  const figures = await row(options);
  measured.push({ row: key, load, figures });
  console.log(`\n${key} (load before: ${load.toFixed(1)})\n${tableOf(figures)}`);
  // After each row: a run that is broken off has not been for nothing.
  await writeFile(file, `${JSON.stringify({ at, ...machine, options, measured }, null, 2)}\n`);
}
const judged = measured.flatMap(({ figures }) => figures).filter((figure) => figure.target);
const reached = judged.filter((figure) => isReached(figure)).length;
console.log(`\n${reached} of ${judged.length} targets reached; node ${process.version}, ${cpus().length} cores`);
console.log(file.slice(root.length));
