/** A daemon that is told to leave keeps its sessions alive: how long until it has gone, clients told and all on disk. */
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import { startDaemon } from "../../support/start-daemon.ts";
import { endAll, idleAgents, startIdle } from "../live-sessions.ts";
import { percentile } from "../process-figures.ts";
import type { Figure, RowOptions } from "../row.ts";

export async function leaving({ sessions, runs }: RowOptions): Promise<Figure[]> {
  const args = ["--on-shutdown", "keep"];
  let daemon = await startDaemon({ config: { agents: idleAgents }, args });
  const { dataDir } = daemon;
  const ids = await startIdle(daemon, sessions);
  try {
    const all: number[] = [];
    for (let i = 0; i < runs; i++) {
      const clients = await Promise.all(ids.map((id) => daemon.ws(id, 0)));
      const start = performance.now();
      const { code } = await daemon.leave();
      all.push((performance.now() - start) / 1000);
      if (code !== 0) throw new Error(`The daemon left with code ${code}: ${daemon.output()}`);
      for (const client of clients) {
        const { code: reason } = await client.ended();
        if (reason !== 1012) throw new Error(`A client was told ${reason} instead of 1012`);
      }
      daemon = await startDaemon({ dataDir, args });
    }
    return [
      {
        name: `SIGTERM to a daemon with ${sessions} live sessions and a client on each, until it has gone`,
        value: percentile(all, 0.5),
        unit: "s",
        target: { atMost: 2 },
        note: `longest of ${runs}: ${Math.max(...all).toFixed(2)} s; its sessions go on`,
      },
    ];
  } finally {
    await endAll(daemon, ids);
    await daemon.stop();
    await rm(dirname(dataDir), { recursive: true, force: true });
  }
}
