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
    const shares: number[] = [];
    const bares: number[] = [];
    for (let i = 0; i < runs; i++) {
      const { frames, seconds, daemonCpuMs } = await fanOutOf(daemon, "ticker", clients);
      const bare = await bareFanOut(clients, 100);
      bares.push(bare.frames / bare.seconds);
      shares.push(frames / seconds / (bare.frames / bare.seconds));
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
        note: `${Math.round(percentile(events, 0.5)).toLocaleString("en-US")} events/s delivered; clients on the same processors`,
      },
      {
        name: "fan-out: share of a program that only writes to its sockets",
        value: percentile(shares, 0.5),
        unit: "",
        note: `that one: ${Math.round(percentile(bares, 0.5)).toLocaleString("en-US")} frames/s, the kernel's price of a small write`,
      },
      { name: "fan-out: daemon", value: percentile(costs, 0.5), unit: "µs of processor a frame" },
    ];
  } finally {
    await daemon.stop();
  }
}
