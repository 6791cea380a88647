/** Many clients on one session, as a process of their own. */
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import type { Daemon } from "../support/start-daemon.ts";
import { cpuMs } from "./process-figures.ts";

export interface Counted {
  frames: number;
  bytes: number;
  seconds: number;
}

export interface FanOut extends Counted {
  daemonCpuMs: number;
}

const bare = fileURLToPath(new URL("agents/fan-server.mjs", import.meta.url));
const counter = fileURLToPath(new URL("frame-counter.ts", import.meta.url));

/** Connects that many clients to a new session of the agent, lets it print, and waits until each has all. */
export async function fanOutOf(daemon: Daemon, agent: string, clients: number): Promise<FanOut> {
  const { body, text } = await daemon.post("/sessions", { agent, interactive: true });
  if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
  const path = `/ws/sessions/${body.session_id}`;
  const before = { cpuMs: 0 };
  const counted = await count({ port: new URL(daemon.url).port, path, token: daemon.token, clients }, async () => {
    before.cpuMs = cpuMs(daemon.pid);
    await daemon.post(`/sessions/${body.session_id}/prompt`, { text: "go" });
  });
  const daemonCpuMs = cpuMs(daemon.pid) - before.cpuMs;
  await daemon.delete(`/sessions/${body.session_id}`);
  return { ...counted, daemonCpuMs };
}

/** The same clients on a program that does nothing but write to its sockets. */
export async function bareFanOut(clients: number, rounds: number): Promise<Counted & { serverCpuMs: number }> {
  const server = execa(process.execPath, [bare, String(clients), String(rounds)], { stderr: "inherit", buffer: false });
  const port = await new Promise<string>((resolve) => createInterface({ input: server.stdout }).once("line", resolve));
  const before = { cpuMs: 0 };
  const pid = server.pid ?? 0;
  const counted = await count({ port, path: "/", token: "none", clients }, async () => {
    before.cpuMs = cpuMs(pid);
    server.stdin.write("go\n");
  });
  const serverCpuMs = cpuMs(pid) - before.cpuMs;
  server.stdin.end();
  await server;
  return { ...counted, serverCpuMs };
}

interface Target {
  port: string;
  path: string;
  token: string;
  clients: number;
}

async function count({ port, path, token, clients }: Target, begin: () => Promise<void>): Promise<Counted> {
  const args = [port, path, token, String(clients), "flood-end"];
  const child = execa(process.execPath, ["--import", "tsx", counter, ...args], { stderr: "inherit", buffer: false });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the clients ended before they had all");
    return value;
  };
  await next();
  await begin();
  const counted = JSON.parse(await next());
  await child;
  return counted;
}
