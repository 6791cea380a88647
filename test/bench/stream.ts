/** What flows through one session, and through the relay: how fast, and how late. */
import { performance } from "node:perf_hooks";
import type WebSocket from "ws";
import type { Daemon } from "../support/start-daemon.ts";
import { cpuMs, percentile, sidecarPid } from "./process-figures.ts";
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
const goFrame = JSON.stringify({ type: "prompt", data: "go" });

/** A whole run through the daemon: a session of `agent`, one client, from "go" to the last line. */
export async function flowThroughDaemon(daemon: Daemon, agent: string): Promise<Flow> {
  const session = await openSession(daemon, agent);
  const pids = { sidecar: session.sidecarPid, daemon: daemon.pid, client: process.pid };
  const before = cpuOf(pids);
  const flow = await countFrames(session.socket, textOfFrame, goFrame);
  const after = cpuOf(pids);
  await session.close();
  const used = Object.fromEntries(Object.entries(after).map(([name, ms]) => [name, ms - (before[name] ?? 0)]));
  return { ...flow, cpuMs: used };
}

/** The same through the relay, around one agent or around many at once. */
export async function flowThroughRelay(
  command: readonly string[],
  { go = "go\n", count = 1 }: { go?: string; count?: number } = {},
): Promise<Flow> {
  const relay = await startRelay(command, count);
  const start = performance.now();
  const flows = await Promise.all(relay.sockets.map((socket) => countFrames(socket, plainText, go)));
  const seconds = (performance.now() - start) / 1000;
  await relay.close();
  return { ...togetherIn(seconds, flows), cpuMs: {} };
}

/** Floods that many sessions at once; from the first "go" to the last line of the last. */
export async function floodAll(daemon: Daemon, agent: string, count: number): Promise<Omit<Flow, "cpuMs">> {
  const sessions = await openSessions(daemon, agent, count);
  const start = performance.now();
  const flows = await Promise.all(sessions.map(({ socket }) => countFrames(socket, textOfFrame, goFrame)));
  const seconds = (performance.now() - start) / 1000;
  await Promise.all(sessions.map(({ close }) => close()));
  return togetherIn(seconds, flows);
}

function togetherIn(seconds: number, flows: readonly Omit<Flow, "cpuMs">[]): Omit<Flow, "cpuMs"> {
  const sum = (pick: (flow: (typeof flows)[number]) => number) => flows.reduce((total, flow) => total + pick(flow), 0);
  return { seconds, events: sum(({ events }) => events), bytes: sum(({ bytes }) => bytes) };
}

export async function delaysThroughDaemon(daemon: Daemon, agent: string, count: number): Promise<Delay> {
  const sessions = await openSessions(daemon, agent, count);
  const delays = await Promise.all(sessions.map(({ socket }) => measureDelays(socket, textOfFrame, goFrame)));
  await Promise.all(sessions.map(({ close }) => close()));
  return delayOf(delays.flat());
}

export async function delaysThroughRelay(command: readonly string[], count: number): Promise<Delay> {
  const relay = await startRelay(command, count);
  const delays = await Promise.all(relay.sockets.map((socket) => measureDelays(socket, plainText, "go\n")));
  await relay.close();
  return delayOf(delays.flat());
}

function plainText(data: Buffer): string {
  return data.toString("latin1");
}

function delayOf(delays: readonly number[]): Delay {
  return { p50Ms: percentile(delays, 0.5), p99Ms: percentile(delays, 0.99), samples: delays.length };
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

function measureDelays(socket: WebSocket, textOf: TextOf, go: string): Promise<number[]> {
  const delays: number[] = [];
  return new Promise((resolve, reject) => {
    socket.on("close", () => reject(new Error(`the socket closed after ${delays.length} events`)));
    socket.on("message", (data: Buffer) => {
      const now = process.hrtime.bigint();
      const text = textOf(data);
      for (const found of text.matchAll(/tick (\d+) tock/g)) delays.push(Number(now - BigInt(found[1] ?? 0)) / 1e6);
      if (text.includes(endMark)) resolve(delays);
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

/** A few at a time: a flood of starts is not what is measured. */
async function openSessions(daemon: Daemon, agent: string, count: number) {
  const sessions: Awaited<ReturnType<typeof openSession>>[] = [];
  let left = count;
  const open = async () => {
    while (left-- > 0) sessions.push(await openSession(daemon, agent));
  };
  await Promise.all([open(), open(), open(), open()]);
  return sessions;
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
    sidecarPid: sidecarPid(daemon.dataDir, id),
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
