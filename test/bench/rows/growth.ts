/** How cost grows: the series behind the chart. No targets; each is a step of one quantity with the others kept still. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { startDaemon } from "../../support/start-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { agentOf, floodCommand, tickerCommand } from "../agents.ts";
import { fanOutOf } from "../fan-out.ts";
import { endAll, idleAgents, startIdle } from "../live-sessions.ts";
import { makeLongLog } from "../long-log.ts";
import { privateKib } from "../process-figures.ts";
import type { Figure } from "../row.ts";
import { delaysThroughDaemon, flowThroughDaemon } from "../stream.ts";
import { readHttp, replayed } from "./replay.ts";

const sessionSteps = [1, 10, 40];
const clientSteps = [1, 10, 100, 1_000];
const eventSteps = [25_000, 100_000, 400_000];
const logSteps = [1, 16, 256];
const mebibyte = 1024 ** 2;

export async function growth(): Promise<Figure[]> {
  return [...(await bySessions()), ...(await byClients()), ...(await byEvents()), ...(await byLogSize())];
}

/** Every session prints 50 events a second and has one client. */
async function bySessions(): Promise<Figure[]> {
  const ticker = agentOf(tickerCommand({ lines: 250, perSecond: 50 }));
  const daemon = await startDaemon({ config: { agents: { ticker, ...idleAgents } } });
  const figure = pointsOf("sessions");
  try {
    const figures: Figure[] = [];
    for (const count of sessionSteps) {
      const ids = await startIdle(daemon, count);
      figures.push(
        figure("idle sessions: daemon, private", count, { value: privateKib(daemon.pid) / 1024, unit: "MiB" }),
      );
      await endAll(daemon, ids);
      const { p50Ms, p99Ms } = await delaysThroughDaemon(daemon, "ticker", count);
      figures.push(
        figure("50 events/s each: delay, p50", count, { value: p50Ms, unit: "ms" }),
        figure("50 events/s each: delay, p99", count, { value: p99Ms, unit: "ms" }),
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
  const figure = pointsOf("clients");
  try {
    const figures: Figure[] = [];
    for (const count of clientSteps) {
      const { frames, daemonCpuMs } = await fanOutOf(daemon, "ticker", count);
      const value = (daemonCpuMs * 1000) / frames;
      figures.push(figure("one session of 100 events/s: daemon", count, { value, unit: "µs a frame" }));
    }
    return figures;
  } finally {
    await daemon.stop();
  }
}

async function byEvents(): Promise<Figure[]> {
  const figures: Figure[] = [];
  const figure = pointsOf("events");
  for (const count of eventSteps) {
    const daemon = await startDaemon({ config: { agents: { flood: agentOf(floodCommand(count)) } } });
    try {
      const { events, seconds } = await flowThroughDaemon(daemon, "flood");
      figures.push(
        figure("one session, end to end", count, { value: events / seconds, unit: "events/s" }),
        figure("daemon after them, private", count, { value: privateKib(daemon.pid) / 1024, unit: "MiB" }),
      );
    } finally {
      await daemon.stop();
    }
  }
  return figures;
}

async function byLogSize(): Promise<Figure[]> {
  const figures: Figure[] = [];
  const figure = pointsOf("MiB of log");
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
        figure("replay: first byte", mib, { value: firstByteMs, unit: "ms" }),
        figure("replay", mib, { value: rate, unit: "MB/s" }),
        figure("replay: growth of the daemon", mib, { value: grownMib, unit: "MiB" }),
      );
    } finally {
      await daemon.stop();
      await rm(folder.path, { recursive: true, force: true });
    }
  }
  return figures;
}

/** Makes figures that are points of a series over this quantity. */
function pointsOf(of: NonNullable<Figure["point"]>["of"]) {
  return (series: string, x: number, measured: { value: number; unit: string }): Figure => ({
    name: `${series}, ${x.toLocaleString("en-US")} ${of}`,
    ...measured,
    point: { series, of, x },
  });
}
