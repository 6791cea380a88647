/**
 * `tsx test/bench/start-trace.ts [--starts N]`: where the time of a session's start in a container goes, with and without one that
 * was ready, beside the start of a container alone, in turns. When each step was seen: the median, the least, and the step. Needs a
 * Docker engine with the images of this build, on a machine with nothing else to do.
 */
import { loadavg } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import Docker from "dockerode";
import { dockerHost } from "../support/docker-world.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { endStartedOnSignal } from "../support/until-signalled.ts";
import { firstEventOf, holdProxy, nodeAlone, ownProgram, runAlone, script, shellAgent } from "./container-starts.ts";
import { tapEngine } from "./engine-tap.ts";
import { percentile } from "./process-figures.ts";

/** In this time what is kept ready for the next start is made. */
const apartMs = 2_000;

type Trace = Map<string, number>;
/** Resolves with what takes away what was started. */
type Start = (tell: (step: string) => void) => Promise<() => Promise<unknown>>;

const { values: flags } = parseArgs({ options: { starts: { type: "string", default: "9" } } });
endStartedOnSignal();
const folder = await tempDir();
const tap = await tapEngine(dockerHost.replace("unix://", ""), join(folder.path, "engine.sock"));
const engine = new Docker({ socketPath: tap.host.replace("unix://", "") });
const [daemon, readyDaemon] = await Promise.all([begin(0), begin(1)]);
const kinds: Record<string, Start> = {
  session: startSession(daemon),
  "session, container ready": startSession(readyDaemon),
  "node alone": startAlone(nodeAlone),
  "sh alone": startAlone(["sh", "-c", script]),
  "the image's own sidecar alone": startAlone(ownProgram),
};
try {
  const traces = new Map<string, Trace[]>();
  for (let i = 0; i <= Number(flags.starts); i++) {
    for (const [kind, start] of Object.entries(kinds)) {
      const trace = await traced(start);
      // The first round is for caches.
      if (i > 0) traces.set(kind, [...(traces.get(kind) ?? []), trace]);
    }
  }
  for (const [kind, some] of traces) print(kind, some);
} finally {
  await Promise.all([daemon.stop(), readyDaemon.stop()]);
  await tap.close();
  await folder.remove();
}

async function begin(ready_containers: number): Promise<Daemon> {
  const docker = { host: tap.host, memory: "256m", ready_containers };
  const daemon = await startDaemon({ config: { runtime: "docker", agents: { first: shellAgent }, docker } });
  await holdProxy(daemon);
  return daemon;
}

function startSession(daemon: Daemon): Start {
  return async (tell) => {
    const { body } = await daemon.post("/sessions", { agent: "first", prompt: "go", interactive: true });
    tell("POST answered");
    await firstEventOf(daemon, body.session_id);
    tell("first event");
    return () => daemon.delete(`/sessions/${body.session_id}`);
  };
}

function startAlone(command: Parameters<typeof runAlone>[1]): Start {
  return async (tell) => {
    const container = await runAlone(engine, command);
    tell("first byte");
    return () => container.remove({ force: true });
  };
}

/** When each step was seen, from the begin. */
async function traced(start: Start): Promise<Trace> {
  await pause(apartMs);
  tap.take();
  const trace: Trace = new Map();
  const begun = performance.now();
  const remove = await start((step) => trace.set(step, performance.now() - begun));
  for (const { at, what } of tap.take()) if (!trace.has(what)) trace.set(what, at - begun);
  await remove();
  return trace;
}

function print(kind: string, some: readonly Trace[]): void {
  console.log(`\n${kind}, load ${loadavg()[0]?.toFixed(1)}`);
  const steps = [...new Set(some.flatMap((trace) => [...trace.keys()]))];
  const rows = steps.flatMap((step) => {
    const seen = some.flatMap((trace) => trace.get(step) ?? []);
    // What is in few of them is something else that goes on, as a look at the proxy.
    return seen.length * 2 < some.length ? [] : [{ step, p50: percentile(seen, 0.5), least: Math.min(...seen) }];
  });
  for (const { step, p50, least } of rows.sort((a, b) => a.p50 - b.p50))
    console.log(`${p50.toFixed(0).padStart(6)} ${least.toFixed(0).padStart(6)}  ${step}`);
}
