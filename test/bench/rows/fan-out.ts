/** One session with a thousand clients: what a client costs the daemon for each frame. */
import { startDaemon } from "../../support/start-daemon.ts";
import { agentOf, tickerCommand } from "../agents.ts";
import { bareFanOut, fanOutOf } from "../fan-out.ts";
import { percentile } from "../process-figures.ts";
import type { Figure, RowOptions } from "../row.ts";

const clients = 1_000;
/** More than can be sent one by one: what does not fit travels together in larger frames. */
const agents = { ticker: agentOf(tickerCommand({ lines: 2_000, perSecond: 500 })) };

export async function fanOut({ runs }: RowOptions): Promise<Figure[]> {
  const daemon = await startDaemon({ config: { agents } });
  try {
    const rates: number[] = [];
    const events: number[] = [];
    const costs: number[] = [];
    const bareCosts: number[] = [];
    for (let i = 0; i < runs; i++) {
      const { frames, seconds, daemonCpuMs } = await fanOutOf(daemon, "ticker", clients);
      const bare = await bareFanOut(clients, 100);
      bareCosts.push((bare.serverCpuMs * 1000) / bare.frames);
      rates.push(frames / seconds);
      events.push((2_000 * clients) / seconds);
      costs.push((daemonCpuMs * 1000) / frames);
    }
    return [
      {
        name: `fan-out to ${clients.toLocaleString("en-US")} clients of one session`,
        value: percentile(rates, 0.5),
        unit: "frames/s",
        target: { atLeast: 100_000 },
      },
      {
        name: "fan-out: what was in them",
        value: percentile(events, 0.5),
        unit: "events/s delivered",
        note: "what was printed while one round of writes went out travels in one frame",
      },
      {
        name: "fan-out: daemon",
        value: percentile(costs, 0.5),
        unit: "µs of processor a frame",
        note: `a program that only writes to its sockets as fast as it can: ${percentile(bareCosts, 0.5).toFixed(1)} µs a frame`,
      },
    ];
  } finally {
    await daemon.stop();
  }
}
