/**
 * `npm run load [-- --sessions 200 --rate 50 --seconds 180 --clients 400]`: so many sessions and clients at once; what it
 * costs, how late the clients are, and the proof that nothing was lost. Exits with 1 when something was. Linux only.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execaNode } from "execa";
import { percentile } from "../bench/process-figures.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { endStarted } from "../support/started.ts";
import { endStartedOnSignal } from "../support/until-signalled.ts";
import { checkLog } from "./check-log.ts";
import { cpuOf, Sampler } from "./figures.ts";
import { ReaderReport } from "./reader.ts";

const { values: flags } = parseArgs({
  options: {
    sessions: { type: "string", default: "200" },
    rate: { type: "string", default: "50" },
    seconds: { type: "string", default: "180" },
    clients: { type: "string", default: "400" },
  },
});
const [sessions, rate, seconds, clients] = [flags.sessions, flags.rate, flags.seconds, flags.clients].map(Number) as [
  number,
  number,
  number,
  number,
];
const readers = 2;
const here = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));

endStartedOnSignal();
const daemon = await startDaemon({
  config: {
    agents: {
      load: { harness: "generic", command: "perl", args: [here("load-agent.pl"), String(rate), String(seconds)] },
    },
  },
});
let failed: string[] = [];
try {
  failed = await run(daemon);
} catch (error) {
  failed = [`the run came to no end: ${error instanceof Error ? error.message : error}`];
}
// Also of a daemon that does not end in time nothing goes on.
await endStarted();
for (const problem of failed.slice(0, 50)) console.log(`FOUND ${problem}`);
process.exit(failed.length > 0 ? 1 : 0);

async function run({ pid, output, post, delete: remove, dataDir }: Daemon): Promise<string[]> {
  const startedAt = performance.now();
  const ids = await inTurns(sessions, 8, async () => {
    const { status, body, text } = await post("/sessions", { agent: "load", interactive: true });
    if (status !== 201) throw new Error(`no session: ${status} ${text}`);
    return String(body.session_id);
  });
  console.log(`${sessions} sessions in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  const started = startReaders(ids);
  const reading = Promise.all(started.map(({ report }) => report));
  // Waited for below; a reader that fails before then must not end us, who have a daemon to stop.
  reading.catch(() => undefined);
  await Promise.all(started.map(({ connected }) => connected));
  const sampler = new Sampler(pid, 5000);
  const untilGone = sampler.gone.then(() => Promise.reject(new Error(`the daemon died: ${output().slice(-4096)}`)));
  untilGone.catch(() => undefined);
  const before = cpuOf(pid);
  const begunAt = performance.now();
  await inTurns(ids.length, 16, (i) => post(`/sessions/${ids[i]}/prompt`, { text: "begin" }));
  // While the sidecars are there: their time is gone with them.
  const untilUsed = new Promise((resolve) => setTimeout(resolve, (seconds - 2) * 1000 - (performance.now() - begunAt)));
  await Promise.race([untilUsed, untilGone]);
  const used = cpuOf(pid);
  const wallMs = performance.now() - begunAt;
  for (const id of ids) await post(`/sessions/${id}/stop`, { mode: "drain" });
  const reports = await Promise.race([reading, untilGone]);
  sampler.stop();
  const problems: string[] = [];
  let lines = 0;
  const digests = new Map<string, string>();
  for (const id of ids) {
    const found = await checkLog(join(dataDir, "sessions", id, "events.ndjson"), rate * seconds);
    lines += found.lines;
    digests.set(id, found.digest);
    problems.push(...found.problems.map((problem) => `${id}: ${problem}`));
  }
  const all = reports.flatMap((report) => report.clients);
  for (const client of all)
    if (client.digest !== digests.get(client.id)) problems.push(`${client.id}: a client has other bytes than the log`);
  if (all.length !== clients) problems.push(`${all.length} of ${clients} clients reported`);
  const lags = reports.flatMap(({ lagMs }) => lagMs);
  const share = (ms: number) => `${((ms / wallMs) * 100).toFixed(0)} % of one of ${cpus().length} cores`;
  const peak = (value: (sample: (typeof sampler.samples)[number]) => number) => Math.max(...sampler.samples.map(value));
  await report([
    ["sessions × events/s, clients", `${sessions} × ${rate}, ${clients}, for ${seconds} s`],
    ["lines in the logs", `${lines}, of them numbered by their agents ${sessions * rate * seconds}`],
    ["daemon, processor", share(used.daemonMs - before.daemonMs)],
    ["all sidecars, processor", share(used.sidecarsMs - before.sidecarsMs)],
    ["daemon, private memory at most", `${(peak(({ daemonKib }) => daemonKib) / 1024).toFixed(0)} MiB`],
    ["daemon, open handles at most", String(peak(({ daemonHandles }) => daemonHandles))],
    ...[0.5, 0.9, 0.99, 0.999].map((p): [string, string] => [
      `lag p${p * 100}, from the agent's print to the client`,
      `${percentile(lags, p).toFixed(1)} ms`,
    ]),
    ["lag at most", `${lags.reduce((most, lag) => Math.max(most, lag), 0).toFixed(0)} ms (${lags.length} samples)`],
    ["clients connected again", String(all.reduce((sum, { reconnects }) => sum + reconnects, 0))],
    ["lost, doubled, or seen otherwise", String(problems.length)],
  ]);
  await inTurns(ids.length, 8, (i) => remove(`/sessions/${ids[i]}`));
  return problems;
}

/** Each client is one of a reader's; sessions get them in turn. */
function startReaders(ids: readonly string[]): { connected: Promise<unknown>; report: Promise<ReaderReport> }[] {
  const wanted = Array.from({ length: clients }, (_, i) => ids[i % ids.length] ?? "");
  return Array.from({ length: readers }, (_, reader) => {
    const own = wanted.filter((_id, i) => i % readers === reader);
    const assignment = JSON.stringify({ url: daemon.url, token: daemon.token, sessions: own });
    const child = execaNode(here("read.ts"), [assignment], {
      nodeOptions: ["--import", "tsx"],
      ipc: true,
      stdout: "inherit",
      stderr: "inherit",
    });
    const reported = child.getOneMessage({ filter: (message) => message !== "connected" });
    return {
      connected: child.getOneMessage({ filter: (message) => message === "connected" }),
      report: Promise.all([reported, child]).then(([report]) => ReaderReport.parse(report)),
    };
  });
}

async function inTurns<T>(count: number, width: number, act: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) {
        const i = next++;
        results[i] = await act(i);
      }
    }),
  );
  return results;
}

async function report(rows: readonly [string, string][]): Promise<void> {
  const width = Math.max(...rows.map(([what]) => what.length));
  for (const [what, value] of rows) console.log(`${what.padEnd(width)}  ${value}`);
  const folder = fileURLToPath(new URL("../../.bench", import.meta.url));
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, "load.json"),
    JSON.stringify({ at: new Date().toISOString(), ...Object.fromEntries(rows) }, null, 2),
  );
}
