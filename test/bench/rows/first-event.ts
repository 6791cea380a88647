/** From the request to the agent's first event at a client that connects as soon as it has the id. */
import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { type Daemon, startDaemon } from "../../support/start-daemon.ts";
import { percentile } from "../process-figures.ts";
import type { Figure } from "../row.ts";

const sessions = 15;
/** Between two sessions: people do not start them back to back, and the pool is filled when nobody does. */
const apartMs = 1_500;
const agents = { first: { harness: "generic", command: "sh", args: ["-c", "echo hello; cat"] } };

export async function firstEvent(): Promise<Figure[]> {
  const ready = await measure({ readySidecars: 2 });
  const fresh = await measure({ readySidecars: 0 });
  return [
    {
      name: "POST to the first event, p50",
      value: percentile(ready.firsts, 0.5),
      unit: "ms",
      target: { atMost: 60 },
      note: `best ${Math.min(...ready.firsts).toFixed(0)}, worst of ${sessions} ${Math.max(...ready.firsts).toFixed(0)} ms`,
    },
    { name: "POST to its answer, p50", value: percentile(ready.posts, 0.5), unit: "ms" },
    {
      name: "POST to the first event without ready sidecars, p50",
      value: percentile(fresh.firsts, 0.5),
      unit: "ms",
      note: "ready_sidecars 0: node's own start is in it",
    },
  ];
}

async function measure({ readySidecars }: { readySidecars: number }): Promise<{ posts: number[]; firsts: number[] }> {
  const daemon = await startDaemon({ config: { agents, limits: { ready_sidecars: readySidecars } } });
  const taken = { posts: [] as number[], firsts: [] as number[] };
  try {
    // The first one pays for the daemon's own first time of everything.
    for (let i = 0; i <= sessions; i++) {
      await pause(apartMs);
      const { post, first } = await startOne(daemon);
      if (i === 0) continue;
      taken.posts.push(post);
      taken.firsts.push(first);
    }
    return taken;
  } finally {
    await daemon.stop();
  }
}

async function startOne(daemon: Daemon): Promise<{ post: number; first: number }> {
  const start = performance.now();
  const { body, text } = await daemon.post("/sessions", { agent: "first", prompt: "go" });
  const post = performance.now() - start;
  if (!body?.session_id) throw new Error(`Cannot start a session: ${text}`);
  const client = await daemon.ws(body.session_id, 0);
  const first = await new Promise<number>((resolve) => {
    const look = () => {
      if (client.events.some(({ type }) => type === "stdout")) resolve(performance.now() - start);
    };
    client.socket.on("message", look);
    look();
  });
  await client.close();
  await daemon.delete(`/sessions/${body.session_id}`);
  return { post, first };
}
