/** What 64 sessions carry together, against the relay around as many agents. */
import { startDaemon } from "../../support/start-daemon.ts";
import { agentOf, floodCommand } from "../agents.ts";
import { percentile } from "../process-figures.ts";
import type { Figure, RowOptions } from "../row.ts";
import { floodAll, flowThroughRelay } from "../stream.ts";

const sessions = 64;
const lines = 3_200_000;

export async function manySessions({ runs }: RowOptions): Promise<Figure[]> {
  const agents = { flood: agentOf(floodCommand(lines / sessions)) };
  const daemon = await startDaemon({ config: { agents } });
  try {
    const shares: number[] = [];
    const rates: number[] = [];
    const command = floodCommand(lines / sessions);
    for (let i = 0; i < runs; i++) {
      const relay = await flowThroughRelay(command, { count: sessions });
      const together = await floodAll(daemon, "flood", sessions);
      rates.push(together.events / together.seconds);
      shares.push(together.events / together.seconds / (relay.events / relay.seconds));
    }
    return [
      {
        name: `${sessions} sessions together, plain lines: share of the relay's events/s`,
        value: percentile(shares, 0.5),
        unit: "",
        target: { atLeast: 0.35 },
        note: `${Math.round(percentile(rates, 0.5)).toLocaleString("en-US")} events/s; ${sessions} agents and as many hops share the processors`,
      },
    ];
  } finally {
    await daemon.stop();
  }
}
