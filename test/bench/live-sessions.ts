/** Many sessions that are alive and have nothing to do. */
import { eventually } from "../support/eventually.ts";
import type { Daemon } from "../support/start-daemon.ts";

export const idleAgents = { idle: { harness: "generic", command: "cat" } };

/** Starts them, four at a time; resolves with their ids when all run. */
export async function startIdle(daemon: Daemon, count: number): Promise<string[]> {
  const ids: string[] = [];
  const launch = async () => {
    while (ids.length < count) {
      const at = ids.push("") - 1;
      const { body, text } = await daemon.post("/sessions", { agent: "idle", interactive: true });
      if (!body?.session_id) throw new Error(`Cannot start session ${at + 1}: ${text}`);
      ids[at] = body.session_id;
    }
  };
  await Promise.all([launch(), launch(), launch(), launch()]);
  await eventually(async () => (await liveCount(daemon)) === count, {
    deadlineMs: 60_000,
    everyMs: 200,
    what: `${count} running sessions`,
  });
  return ids;
}

/** Sessions whose agent runs and whose link is up: that is when their activity is known. */
export async function liveCount(daemon: Daemon): Promise<number> {
  const { body } = await daemon.get("/sessions?limit=1000");
  const sessions: { state: string; agent_pid?: number }[] = Array.isArray(body) ? body : body.sessions;
  return sessions.filter(({ state }) => state === "running" || state === "orphaned").length;
}

export async function endAll(daemon: Daemon, ids: readonly string[]): Promise<void> {
  const left = [...ids];
  const remove = async () => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) await daemon.delete(`/sessions/${id}`);
  };
  await Promise.all([remove(), remove(), remove(), remove()]);
}
