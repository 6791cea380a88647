/** What flows through one session, and through the relay: how fast, and how late. */
import { performance } from "node:perf_hooks";
import type WebSocket from "ws";
import type { Daemon } from "../support/start-daemon.ts";
import { childrenOf, cpuMs, percentile } from "./process-figures.ts";
import { startRelay } from "./relay.ts";

export interface Flow {
  seconds: number;
  events: number;
  bytes: number;
  /** Processor time of each process, in ms, where it could be read. */
  cpuMs: Record<string, number>;
}

export interface Delay {
  p50Ms: number;
  p99Ms: number;
  samples: number;
}

const endMark = "flood-end";

/** A whole run through the daemon: a session of `agent`, one client, from "go" to the last line. */
export async function flowThroughDaemon(daemon: Daemon, agent: string): Promise<Flow> {
  const session = await openSession(daemon, agent);
  const sidecar = childrenOf(daemon.pid, "sidecar")[0];
  const pids = { sidecar, daemon: daemon.pid, client: process.pid };
  const before = cpuOf(pids);
  const flow = await countFrames(session.socket, textOfFrame, JSON.stringify({ type: "prompt", data: "go" }));
  const after = cpuOf(pids);
  await session.close();
  const used = Object.fromEntries(Object.entries(after).map(([name, ms]) => [name, ms - (before[name] ?? 0)]));
  return { ...flow, cpuMs: used };
}

export async function flowThroughRelay(command: readonly string[], go: string): Promise<Flow> {
  const relay = await startRelay(command);
  const flow = await countFrames(relay.socket, (data) => data.toString("latin1"), go);
  await relay.close();
  return { ...flow, cpuMs: {} };
}

export async function delayThroughDaemon(daemon: Daemon, agent: string): Promise<Delay> {
  const session = await openSession(daemon, agent);
  const delay = await measureDelay(session.socket, textOfFrame, JSON.stringify({ type: "prompt", data: "go" }));
  await session.close();
  return delay;
}

export async function delayThroughRelay(command: readonly string[]): Promise<Delay> {
  const relay = await startRelay(command);
  const delay = await measureDelay(relay.socket, (data) => data.toString("latin1"), "go\n");
  await relay.close();
  return delay;
}

type TextOf = (data: Buffer) => string;

function countFrames(socket: WebSocket, textOf: TextOf, go: string): Promise<Omit<Flow, "cpuMs">> {
  let events = 0;
  let bytes = 0;
  const start = performance.now();
  return new Promise((resolve, reject) => {
    socket.on("close", () => reject(new Error(`the socket closed after ${events} events`)));
    socket.on("message", (data: Buffer) => {
      const text = textOf(data);
      bytes += text.length;
      for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) events++;
      if (text.includes(endMark, text.length - 1024))
        resolve({ seconds: (performance.now() - start) / 1000, events, bytes });
    });
    socket.send(go);
  });
}

function measureDelay(socket: WebSocket, textOf: TextOf, go: string): Promise<Delay> {
  const delays: number[] = [];
  return new Promise((resolve, reject) => {
    socket.on("close", () => reject(new Error(`the socket closed after ${delays.length} events`)));
    socket.on("message", (data: Buffer) => {
      const now = process.hrtime.bigint();
      const text = textOf(data);
      for (const found of text.matchAll(/tick (\d+) tock/g)) delays.push(Number(now - BigInt(found[1] ?? 0)) / 1e6);
      if (!text.includes(endMark)) return;
      resolve({ p50Ms: percentile(delays, 0.5), p99Ms: percentile(delays, 0.99), samples: delays.length });
    });
    socket.send(go);
  });
}

/** Log lines of a live frame; nothing of any other. */
function textOfFrame(data: Buffer): string {
  const frame = JSON.parse(data.toString("utf8")) as { type: string; data?: string; error?: string };
  if (frame.type === "error") throw new Error(`the daemon says: ${frame.error}`);
  return frame.type === "stdout" ? (frame.data ?? "") : "";
}

async function openSession(daemon: Daemon, agent: string) {
  const created = await daemon.post("/sessions", { agent, interactive: true });
  if (created.status !== 201) throw new Error(`Cannot start a session of ${agent}: ${created.text}`);
  const id: string = created.body.session_id;
  const client = await daemon.ws(id);
  await client.frame("connected");
  // From here on the bench reads the frames itself.
  client.socket.removeAllListeners("message");
  return {
    socket: client.socket,
    close: async () => {
      client.socket.removeAllListeners("close");
      client.socket.terminate();
      await daemon.delete(`/sessions/${id}`);
    },
  };
}

function cpuOf(pids: Record<string, number | undefined>): Record<string, number> {
  const figures: Record<string, number> = {};
  for (const [name, pid] of Object.entries(pids)) if (pid !== undefined) figures[name] = cpuMs(pid);
  return figures;
}
