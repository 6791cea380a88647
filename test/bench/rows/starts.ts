/** How long programs take to start: the daemon with nothing behind it, against an empty program. */
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { startDaemon } from "../../support/start-daemon.ts";
import { percentile } from "../process-figures.ts";
import type { Figure } from "../row.ts";

const times = 5;

export async function starts(): Promise<Figure[]> {
  const empty: number[] = [];
  const ours: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await execa(process.execPath, ["-e", "0"]);
    empty.push(performance.now() - start);
    ours.push(await daemonStart());
  }
  return [
    {
      name: "daemon: start to the first answer, p50",
      value: percentile(ours, 0.5),
      unit: "ms",
      note: `an empty node program: ${percentile(empty, 0.5).toFixed(0)} ms`,
    },
  ];
}

async function daemonStart(): Promise<number> {
  const start = performance.now();
  const daemon = await startDaemon();
  await daemon.get("/health");
  const took = performance.now() - start;
  await daemon.stop();
  return took;
}
