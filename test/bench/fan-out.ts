/** Many clients on one session, as a process of their own. */
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import type { Daemon } from "../support/start-daemon.ts";
import { cpuMs } from "./process-figures.ts";

export interface FanOut {
  frames: number;
  bytes: number;
  seconds: number;
  daemonCpuMs: number;
}

const counter = fileURLToPath(new URL("frame-counter.ts", import.meta.url));

/** Connects that many clients to a new session of the agent, lets it print, and waits until each has all. */
export async function fanOutOf(daemon: Daemon, agent: string, clients: number): Promise<FanOut> {
  const { body, text } = await daemon.post("/sessions", { agent, interactive: true });
  if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
  const path = `/ws/sessions/${body.session_id}`;
  const args = [new URL(daemon.url).port, path, daemon.token, String(clients), "flood-end"];
  const child = execa(process.execPath, ["--import", "tsx", counter, ...args], { stderr: "inherit", buffer: false });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the clients ended before they had all");
    return value;
  };
  await next();
  const before = cpuMs(daemon.pid);
  await daemon.post(`/sessions/${body.session_id}/prompt`, { text: "go" });
  const counted = JSON.parse(await next());
  const daemonCpuMs = cpuMs(daemon.pid) - before;
  await child;
  await daemon.delete(`/sessions/${body.session_id}`);
  return { ...counted, daemonCpuMs };
}
