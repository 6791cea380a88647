/** What idling costs: the daemon alone, a session in it, a sidecar. Private memory: what would be free if the process ended. */
import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
import { startDaemon } from "../../support/start-daemon.ts";
import { collectGarbage, inspectorArgs } from "../inspector.ts";
import { endAll, idleAgents, startIdle } from "../live-sessions.ts";
import { childrenOf, percentile, privateKib, sidecarPid } from "../process-figures.ts";
import type { Figure, RowOptions } from "../row.ts";

const settleMs = 5_000;

export async function memory({ sessions }: RowOptions): Promise<Figure[]> {
  const daemon = await startDaemon({ nodeArgs: inspectorArgs, config: { agents: idleAgents } });
  try {
    const ready = await eventually(
      () => childrenOf(daemon.pid, "sidecar").length === 2 && childrenOf(daemon.pid, "sidecar"),
    );
    await pause(settleMs);
    const aloneKib = privateKib(daemon.pid);
    await collectGarbage(daemon);
    const heldAloneKib = privateKib(daemon.pid);
    const readyKib = percentile(ready.map(privateKib), 0.5);
    const ids = await startIdle(daemon, sessions);
    await pause(settleMs);
    const withKib = privateKib(daemon.pid);
    await collectGarbage(daemon);
    const heldWithKib = privateKib(daemon.pid);
    const boundKib = percentile(
      ids.map((id) => privateKib(sidecarPid(daemon.dataDir, id))),
      0.5,
    );
    await endAll(daemon, ids);
    return [
      { name: "idle daemon, private", value: aloneKib / 1024, unit: "MiB", target: { atMost: 70 } },
      {
        name: `daemon, for each of ${sessions} idle sessions`,
        value: (heldWithKib - heldAloneKib) / sessions,
        unit: "KiB",
        target: { atMost: 100 },
        note: `garbage collected before both readings; with all of them ${mib(heldWithKib)} MiB, before that ${mib(withKib)}`,
      },
      { name: "idle sidecar with its agent, private", value: boundKib / 1024, unit: "MiB", target: { atMost: 16 } },
      {
        name: "ready sidecar that waits for a session, private",
        value: readyKib / 1024,
        unit: "MiB",
        target: { atMost: 16 },
      },
    ];
  } finally {
    await daemon.stop();
  }
}

function mib(kib: number): string {
  return (kib / 1024).toFixed(0);
}
