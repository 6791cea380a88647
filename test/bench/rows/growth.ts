/** How cost grows: the series behind the chart. No targets; each is a step of one quantity with the others kept still. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { startDaemon } from "../../support/start-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { agentOf, floodCommand, tickerCommand } from "../agents.ts";
import { fanOutOf } from "../fan-out.ts";
import { endAll, idleAgents, startIdle } from "../live-sessions.ts";
import { makeLongLog } from "../long-log.ts";
import { cpuMs, privateKib } from "../process-figures.ts";
import type { Figure } from "../row.ts";
import { delaysThroughDaemon, flowThroughDaemon } from "../stream.ts";
import { readHttp, replayed } from "./replay.ts";

const sessionSteps = [1, 10, 50, 100];
const clientSteps = [1, 10, 100, 1_000];
const eventSteps = [50_000, 200_000, 800_000];
const logSteps = [1, 16, 256, 1_024];
const mebibyte = 1024 ** 2;

export async function growth(): Promise<Figure[]> {
  return [...(await bySessions()), ...(await byClients()), ...(await byEvents()), ...(await byLogSize())];
}

/** Every session prints 50 events a second and has one client. */
async function bySessions(): Promise<Figure[]> {
  const ticker = agentOf(tickerCommand({ lines: 250, perSecond: 50 }));
  const daemon = await startDaemon({ config: { agents: { ticker, ...idleAgents } } });
  try {
    const figures: Figure[] = [];
    for (const count of sessionSteps) {
      const ids = await startIdle(daemon, count);
      figures.push({ name: `daemon with ${count} idle sessions`, value: privateKib(daemon.pid) / 1024, unit: "MiB" });
      await endAll(daemon, ids);
      const before = cpuMs(daemon.pid);
      const { p50Ms, p99Ms } = await delaysThroughDaemon(daemon, "ticker", count);
      const events = 250 * count;
      figures.push(
        { name: `delay with ${count} sessions × 50 events/s, p50`, value: p50Ms, unit: "ms" },
        { name: `delay with ${count} sessions × 50 events/s, p99`, value: p99Ms, unit: "ms" },
        {
          name: `daemon with ${count} sessions × 50 events/s`,
          value: ((cpuMs(daemon.pid) - before) * 1000) / events,
          unit: "µs of processor an event",
          note: "starting and ending them included",
        },
      );
    }
    return figures;
  } finally {
    await daemon.stop();
  }
}

async function byClients(): Promise<Figure[]> {
  const agents = { ticker: agentOf(tickerCommand({ lines: 500, perSecond: 100 })) };
  const daemon = await startDaemon({ config: { agents } });
  try {
    const figures: Figure[] = [];
    for (const count of clientSteps) {
      const { frames, daemonCpuMs } = await fanOutOf(daemon, "ticker", count);
      figures.push({
        name: `daemon with ${count} clients on 100 events/s`,
        value: (daemonCpuMs * 1000) / frames,
        unit: "µs of processor a frame",
      });
    }
    return figures;
  } finally {
    await daemon.stop();
  }
}

async function byEvents(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const count of eventSteps) {
    const daemon = await startDaemon({ config: { agents: { flood: agentOf(floodCommand(count)) } } });
    try {
      const { events, seconds } = await flowThroughDaemon(daemon, "flood");
      figures.push(
        { name: `one session of ${count.toLocaleString("en-US")} events`, value: events / seconds, unit: "events/s" },
        {
          name: `daemon after ${count.toLocaleString("en-US")} events`,
          value: privateKib(daemon.pid) / 1024,
          unit: "MiB",
        },
      );
    } finally {
      await daemon.stop();
    }
  }
  return figures;
}

async function byLogSize(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const mib of logSteps) {
    const folder = await tempDir();
    const dataDir = join(folder.path, "data");
    const log = await makeLongLog(dataDir, mib * mebibyte);
    const daemon = await startDaemon({ dataDir });
    try {
      const { firstByteMs, rate, grownMib } = await replayed(daemon, log.bytes, (onBytes) =>
        readHttp(daemon, log.id, onBytes),
      );
      figures.push(
        { name: `log of ${mib} MiB: first byte`, value: firstByteMs, unit: "ms" },
        { name: `log of ${mib} MiB: replay`, value: rate, unit: "MB/s" },
        { name: `log of ${mib} MiB: growth of the daemon`, value: grownMib, unit: "MiB" },
      );
    } finally {
      await daemon.stop();
      await rm(folder.path, { recursive: true, force: true });
    }
  }
  return figures;
}
