/** What starting and idling costs. */
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { eventually } from "../support/eventually.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { childrenOf, percentile, privateKib } from "./process-figures.ts";

/** Median ms of an empty node program: what no start here can be faster than. */
export function nodeStartMs(): Promise<number> {
  return medianMs(5, async () => {
    await execa(process.execPath, ["-e", "0"]);
  });
}

/** Median ms from spawn to the first answer. */
export async function daemonStartMs(): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    const daemon = await startDaemon();
    await daemon.get("/health");
    took.push(performance.now() - start);
    await daemon.stop();
  }
  return percentile(took, 0.5);
}

/** Ms from the request to the first line of the agent at a client that connects as soon as it has the id. */
export async function firstEventMs(
  daemon: Daemon,
  agent: string,
  runs: number,
): Promise<{ p50: number; p99: number; post: number }> {
  const took: number[] = [];
  const posts: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    const { body, text } = await daemon.post("/sessions", { agent, prompt: "go" });
    if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
    posts.push(performance.now() - start);
    const client = await daemon.ws(body.session_id, 0);
    await eventually(() => client.events.some(({ type }) => type === "stdout"), {
      everyMs: 1,
      what: "the first event",
    });
    took.push(performance.now() - start);
    await client.close();
    await daemon.delete(`/sessions/${body.session_id}`);
  }
  return { p50: percentile(took, 0.5), p99: percentile(took, 0.99), post: percentile(posts, 0.5) };
}

export interface IdleFigures {
  sessions: number;
  /** Median private memory of a sidecar. */
  sidecarKib: number;
  daemonBeforeKib: number;
  daemonAfterKib: number;
  launchSeconds: number;
}

export async function idleFigures(daemon: Daemon, agent: string, count: number): Promise<IdleFigures> {
  const daemonBeforeKib = privateKib(daemon.pid);
  const start = performance.now();
  const ids: string[] = [];
  const launch = async () => {
    while (ids.length < count) {
      const at = ids.push("") - 1;
      const { body, text } = await daemon.post("/sessions", { agent, interactive: true });
      if (!body?.session_id) throw new Error(`Cannot start session ${at + 1}: ${text}`);
      ids[at] = body.session_id;
    }
  };
  await Promise.all([launch(), launch(), launch(), launch()]);
  await eventually(async () => (await daemon.get("/sessions?state=running")).body.length === count, {
    deadlineMs: 30_000,
    everyMs: 200,
    what: `${count} running sessions`,
  });
  const launchSeconds = (performance.now() - start) / 1000;
  const daemonAfterKib = privateKib(daemon.pid);
  const sidecarKib = percentile(childrenOf(daemon.pid, "sidecar").map(privateKib), 0.5);
  const remove = async () => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) await daemon.delete(`/sessions/${id}`);
  };
  await Promise.all([remove(), remove(), remove(), remove()]);
  return { sessions: count, sidecarKib, daemonBeforeKib, daemonAfterKib, launchSeconds };
}

async function medianMs(runs: number, act: () => Promise<void>): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await act();
    took.push(performance.now() - start);
  }
  return percentile(took, 0.5);
}
