/** A daemon that was killed leaves its sessions alive: how long the next one takes until it has them all again. */
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import { eventually } from "../../support/eventually.ts";
import { startDaemon } from "../../support/start-daemon.ts";
import { endAll, idleAgents, startIdle } from "../live-sessions.ts";
import type { Figure, RowOptions } from "../row.ts";

export async function takeOver({ sessions }: RowOptions): Promise<Figure[]> {
  const first = await startDaemon({ config: { agents: idleAgents } });
  const ids = await startIdle(first, sessions);
  await first.kill9();
  const start = performance.now();
  const next = await startDaemon({ dataDir: first.dataDir });
  const listed = performance.now() - start;
  try {
    // Each answers a prompt only through its sidecar: one that is merely listed would not.
    await Promise.all(
      ids.map(async (id) => {
        const { status, text } = await next.post(`/sessions/${id}/prompt`, { text: "again" });
        if (status >= 300) throw new Error(`Cannot send to ${id}: ${text}`);
        await eventually(async () => (await next.get(`/sessions/${id}/logs?limit=50`)).text.includes("again"), {
          deadlineMs: 60_000,
          everyMs: 50,
        });
      }),
    );
    const linked = performance.now() - start;
    return [
      {
        name: `re-adoption of ${sessions} live sessions`,
        value: listed / 1000,
        unit: "s",
        target: { atMost: 2 },
        note: `from the start of the program until it serves all; every agent had answered a prompt after ${(linked / 1000).toFixed(1)} s`,
      },
    ];
  } finally {
    await endAll(next, ids);
    await next.stop();
    await rm(dirname(first.dataDir), { recursive: true, force: true });
  }
}
