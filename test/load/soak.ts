/**
 * `npm run soak -- --hours 8 [--sessions 20]`: sessions come, work and are deleted, clients come and are cut off, for
 * hours; the daemon's memory and handles are sampled, and must not grow. Exits with 1 when they do, or when anything was
 * lost. Linux only.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { endStarted } from "../support/started.ts";
import { endStartedOnSignal } from "../support/until-signalled.ts";
import { Watcher } from "../torture/watcher.ts";
import { checkLog } from "./check-log.ts";
import { type Sample, Sampler, slopePerHour } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    hours: { type: "string", default: "1" },
    sessions: { type: "string", default: "20" },
  },
});
const sessions = Number(flags.sessions);
const runMs = Number(flags.hours) * 3_600_000;
const rate = 20;
const turnS = 10;
/** Growth over the whole run that is more than the heap's own breathing. */
const memoryKibMax = 24 * 1024;
const handlesMax = 10;
/** Of the run, before which things settle. */
const warmUpShare = 0.3;

endStartedOnSignal();
const script = fileURLToPath(new URL("./load-agent.pl", import.meta.url));
const daemon = await startDaemon({
  config: { agents: { load: { harness: "generic", command: "perl", args: [script, String(rate), String(turnS)] } } },
});
const problems: string[] = [];
let done = 0;
let lines = 0;
const sampler = new Sampler(daemon.pid, Math.min(30_000, runMs / 60), ({ atS, daemonKib, daemonHandles }) => {
  console.log(
    `${atS.toFixed(0).padStart(6)} s  ${(daemonKib / 1024).toFixed(1)} MiB private, ${daemonHandles} handles, ${done} sessions done`,
  );
});
try {
  const until = performance.now() + runMs;
  const lanes = Array.from({ length: sessions }, async () => {
    while (performance.now() < until) await oneSession(daemon);
  });
  await Promise.all(lanes);
} catch (error) {
  problems.push(`the run came to no end: ${error instanceof Error ? error.message : error}`);
}
sampler.stop();
// Also of a daemon that does not end in time nothing goes on.
await endStarted();
judge(sampler.samples);
for (const problem of problems.slice(0, 50)) console.log(`FOUND ${problem}`);
process.exit(problems.length > 0 ? 1 : 0);

/** From its creation to its deletion, watched by two clients that are cut off in the midst of it. */
async function oneSession({ url, token, pid, post, get, delete: remove, dataDir }: Daemon): Promise<void> {
  const { status, body, text } = await post("/sessions", { agent: "load", interactive: true, prompt: "begin" });
  if (status !== 201) throw new Error(`no session: ${status} ${text}`);
  const id = String(body.session_id);
  const watchers = [1, 2].map(() => new Watcher(id, async () => ({ url, token, pid })));
  for (let s = 0; s < turnS; s += 2) {
    await sleep(2000);
    for (const watcher of watchers) watcher.drop();
  }
  await Promise.all(watchers.map(({ over }) => over));
  const log = await get(`/sessions/${id}/log`);
  const path = join(dataDir, "sessions", id, "events.ndjson");
  const found = await checkLog(path, rate * turnS);
  problems.push(...found.problems.map((problem) => `${id}: ${problem}`));
  for (const watcher of watchers)
    if (watcher.bytes.toString("utf8") !== log.text) problems.push(`${id}: a client has other bytes than the log`);
  lines += found.lines;
  await remove(`/sessions/${id}`);
  if (existsSync(join(dataDir, "sessions", id, "session.json")))
    problems.push(`${id}: it was deleted and has a record`);
  done += 1;
}

function judge(all: readonly Sample[]): void {
  const samples = all.slice(Math.floor(all.length * warmUpShare));
  const hours = ((samples.at(-1)?.atS ?? 0) - (samples[0]?.atS ?? 0)) / 3600;
  const memory = slopePerHour(samples, ({ daemonKib }) => daemonKib);
  const handles = slopePerHour(samples, ({ daemonHandles }) => daemonHandles);
  console.log(`${done} sessions, ${lines} lines, nothing of them lost: ${problems.length === 0}`);
  console.log(
    `slope over the last ${(hours * 60).toFixed(0)} minutes: memory ${(memory / 1024).toFixed(2)} MiB an hour, handles ${handles.toFixed(1)} an hour`,
  );
  if (memory * hours > memoryKibMax) problems.push(`memory grew by ${((memory * hours) / 1024).toFixed(1)} MiB`);
  if (handles * hours > handlesMax) problems.push(`${(handles * hours).toFixed(0)} more handles are open`);
}
