/** `npm run bench [-- --sessions N --runs N --only plain,claude,latency,starts,idle]`: figures of this machine and this build, as ratios where a machine's speed matters. */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startDaemon } from "../support/start-daemon.ts";
import { daemonStartMs, firstEventMs, idleFigures, nodeStartMs } from "./footprint.ts";
import { percentile } from "./process-figures.ts";
import { delayThroughDaemon, delayThroughRelay, type Flow, flowThroughDaemon, flowThroughRelay } from "./stream.ts";

const { values: flags } = parseArgs({
  options: {
    sessions: { type: "string", default: "200" },
    runs: { type: "string", default: "3" },
    only: { type: "string", default: "plain,claude,latency,starts,idle" },
  },
});
const parts: Record<string, () => Promise<void>> = {
  plain: () => throughput("plain"),
  claude: () => throughput("claude"),
  latency,
  starts,
  idle: memory,
};
const root = fileURLToPath(new URL("../..", import.meta.url));
const script = (name: string) => join(root, "test/bench/agents", name);
const node = process.execPath;

const floods = {
  plain: { command: [node, script("flood.mjs"), "400000"], agent: "flood", go: "go\n" },
  claude: {
    command: [node, script("claude-flood.mjs"), "150000"],
    agent: "claude",
    go: `${JSON.stringify({ type: "user", message: { role: "user", content: "go" } })}\n`,
  },
};
const tickerCommand = [node, script("ticker.mjs"), "4000", "1000"];

const rows: [what: string, value: string][] = [];
const figures: Record<string, unknown> = { at: new Date().toISOString(), node: process.version, cpus: cpus().length };

const daemon = await startDaemon({
  config: {
    agents: {
      flood: { harness: "generic", command: node, args: floods.plain.command.slice(1) },
      claude: { command: node, args: floods.claude.command.slice(1) },
      ticker: { harness: "generic", command: node, args: tickerCommand.slice(1) },
      first: { harness: "generic", command: "sh", args: ["-c", "echo hello; cat"] },
      idle: { harness: "generic", command: "cat" },
    },
  },
});
try {
  for (const part of flags.only.split(",")) await parts[part]?.();
} finally {
  await daemon.stop();
}
await report();

async function throughput(name: "plain" | "claude"): Promise<void> {
  const { command, agent, go } = floods[name];
  const ours: Flow[] = [];
  const relay: Flow[] = [];
  for (let i = 0; i < Number(flags.runs); i++) {
    relay.push(await flowThroughRelay(command, go));
    ours.push(await flowThroughDaemon(daemon, agent));
  }
  const middle = (flows: Flow[]) =>
    nearest(
      flows,
      percentile(
        flows.map(({ seconds }) => seconds),
        0.5,
      ),
    );
  const [a, b] = [middle(ours), middle(relay)];
  const ratio = a.events / a.seconds / (b.events / b.seconds);
  figures[`throughput_${name}`] = { agentd: a, relay: b, ratio };
  const label = name === "plain" ? "plain lines" : "Claude text deltas";
  rows.push([`${label}: agentd`, `${rate(a)}`]);
  rows.push([`${label}: relay`, `${rate(b)}`]);
  rows.push([`${label}: ratio of events/s (1 = as fast as moving the bytes)`, ratio.toFixed(2)]);
  const cpu = Object.entries(a.cpuMs).map(([process, ms]) => `${process} ${((ms * 1000) / a.events).toFixed(2)}`);
  rows.push([`${label}: where the time goes, µs of CPU an event`, cpu.join(", ")]);
}

async function latency(): Promise<void> {
  const relay = await delayThroughRelay(tickerCommand);
  const ours = await delayThroughDaemon(daemon, "ticker");
  figures["latency"] = { agentd: ours, relay };
  rows.push(["latency at 1,000 events/s: agentd p50 / p99", `${ours.p50Ms.toFixed(2)} / ${ours.p99Ms.toFixed(2)} ms`]);
  rows.push(["latency at 1,000 events/s: relay p50 / p99", `${relay.p50Ms.toFixed(2)} / ${relay.p99Ms.toFixed(2)} ms`]);
  const added = [ours.p50Ms - relay.p50Ms, ours.p99Ms - relay.p99Ms].map((ms) => ms.toFixed(2));
  rows.push(["latency at 1,000 events/s: added p50 / p99", `${added.join(" / ")} ms`]);
}

async function starts(): Promise<void> {
  const [empty, start, first] = [await nodeStartMs(), await daemonStartMs(), await firstEventMs(daemon, "first", 15)];
  figures["starts"] = { node_ms: empty, daemon_ms: start, first_event_ms: first };
  rows.push(["daemon start (an empty node program)", `${start.toFixed(0)} ms (${empty.toFixed(0)} ms)`]);
  rows.push(["POST to its answer, p50", `${first.post.toFixed(0)} ms`]);
  rows.push([
    "POST to the agent's first event at a client, p50 / p99",
    `${first.p50.toFixed(0)} / ${first.p99.toFixed(0)} ms`,
  ]);
}

async function memory(): Promise<void> {
  const idle = await idleFigures(daemon, "idle", Number(flags.sessions));
  const each = (idle.daemonAfterKib - idle.daemonBeforeKib) / idle.sessions;
  figures["idle"] = { ...idle, daemon_kib_per_session: each };
  rows.push(["idle sidecar, private memory", `${(idle.sidecarKib / 1024).toFixed(1)} MiB`]);
  rows.push([`daemon, private memory for each of ${idle.sessions} idle sessions`, `${each.toFixed(0)} KiB`]);
  rows.push([
    `daemon, private memory before / with ${idle.sessions}`,
    `${mib(idle.daemonBeforeKib)} / ${mib(idle.daemonAfterKib)}`,
  ]);
  rows.push([`starting ${idle.sessions} sessions`, `${idle.launchSeconds.toFixed(1)} s`]);
}

async function report(): Promise<void> {
  await mkdir(join(root, ".bench"), { recursive: true });
  const file = join(root, ".bench", `${new Date().toISOString().replaceAll(":", "-")}.json`);
  await writeFile(file, `${JSON.stringify(figures, null, 2)}\n`);
  const width = Math.max(...rows.map(([what]) => what.length));
  console.log(rows.map(([what, value]) => `${what.padEnd(width)}  ${value}`).join("\n"));
  console.log(
    `\nnode ${process.version}, ${cpus().length} cores; medians of ${flags.runs}; ${file.slice(root.length)}`,
  );
}

/** The run that took as long as the median. */
function nearest(flows: Flow[], seconds: number): Flow {
  const found = flows.find((flow) => flow.seconds === seconds);
  if (!found) throw new Error("--runs must be at least 1");
  return found;
}

function rate({ events, bytes, seconds }: Flow): string {
  const eventsPerSecond = Math.round(events / seconds).toLocaleString("en-US");
  return `${eventsPerSecond} events/s, ${(bytes / seconds / 1e6).toFixed(1)} MB/s (${events} in ${seconds.toFixed(2)} s)`;
}

function mib(kib: number): string {
  return `${(kib / 1024).toFixed(0)} MiB`;
}
