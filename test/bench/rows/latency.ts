/** How late an event is at a client, by the clock at which the agent printed it. */
import { startDaemon } from "../../support/start-daemon.ts";
import { agentOf, tickerCommand } from "../agents.ts";
import type { Figure } from "../row.ts";
import { delaysThroughDaemon, delaysThroughRelay } from "../stream.ts";

const command = tickerCommand({ lines: 2_000, perSecond: 200 });

export async function latency(): Promise<Figure[]> {
  const daemon = await startDaemon({ config: { agents: { ticker: agentOf(command) } } });
  try {
    const relay = await delaysThroughRelay(command, 10);
    const ten = await delaysThroughDaemon(daemon, "ticker", 10);
    const hundred = await delaysThroughDaemon(daemon, "ticker", 100);
    const note = `${ten.p50Ms.toFixed(2)} / ${ten.p99Ms.toFixed(1)} ms, ten agents on the relay ${relay.p50Ms.toFixed(2)} / ${relay.p99Ms.toFixed(1)} ms`;
    return [
      {
        name: "10 sessions × 200 events/s: added delay, p50",
        value: ten.p50Ms - relay.p50Ms,
        unit: "ms",
        target: { atMost: 1 },
        note,
      },
      {
        name: "10 sessions × 200 events/s: added delay, p99",
        value: ten.p99Ms - relay.p99Ms,
        unit: "ms",
        target: { atMost: 10 },
        note,
      },
      {
        name: "100 sessions × 200 events/s: whole delay, p99",
        value: hundred.p99Ms,
        unit: "ms",
        target: { atMost: 50 },
        note: `p50 ${hundred.p50Ms.toFixed(2)} ms; nothing is taken off for agents and clients`,
      },
    ];
  } finally {
    await daemon.stop();
  }
}
