/** What compressing an old log saves, what it costs, and what reading it costs then; on the agents' recordings. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { putEndedSession } from "../../support/ended-session.ts";
import { type Daemon, startDaemon } from "../../support/start-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { percentile } from "../process-figures.ts";
import type { Figure, RowOptions } from "../row.ts";

const logMiB = 64;
const id = "00000000-0000-4000-8000-000000000001";
const recordings = fileURLToPath(new URL("../../fixtures/transcripts", import.meta.url));

/** All recordings one after the other, again and again: one round is ten times as long as what gzip looks back at. */
function* recorded(bytes: number): Generator<{ type: string; data: object }> {
  const lines = readdirSync(recordings, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("events.ndjson"))
    .sort()
    .flatMap((name) => readFileSync(join(recordings, name), "utf8").split("\n"))
    .filter((line) => line !== "" && !line.startsWith('{"type":"exit"'));
  for (let at = 0; ; )
    for (const line of lines) {
      if (at >= bytes) return;
      at += line.length + 60;
      yield JSON.parse(line);
    }
}

export async function packedLog({ runs }: RowOptions): Promise<Figure[]> {
  const dir = await tempDir();
  const dataDir = join(dir.path, "data");
  putEndedSession(dataDir, id, recorded(logMiB * 1024 * 1024));
  const plain = await startDaemon({ dataDir });
  const before = await readCost(plain, runs);
  await plain.stop();
  const startedAt = performance.now();
  const packing = await startDaemon({ dataDir, args: ["--compress-days", "0"] });
  try {
    await packing.post("/gc");
    const seconds = (performance.now() - startedAt) / 1000;
    const { log_bytes, log_file } = (await packing.get(`/sessions/${id}`)).body;
    const stored = statSync(log_file).size;
    const after = await readCost(packing, runs);
    const beside = (ms: number) => `of the plain file: ${ms.toFixed(1)} ms`;
    return [
      {
        name: `compressed log of ${logMiB} MiB: share of its size`,
        value: stored / log_bytes,
        unit: "",
        note: `${seconds.toFixed(1)} s from the start of the daemon to the end of it, with writing, reading back and comparing`,
      },
      { name: "… the whole over HTTP, p50", value: after.wholeMs, unit: "ms", note: beside(before.wholeMs) },
      { name: "… its last 1,000 bytes, p50", value: after.tailMs, unit: "ms", note: beside(before.tailMs) },
      { name: "… 1,000 bytes in its middle, p50", value: after.innerMs, unit: "ms", note: beside(before.innerMs) },
    ];
  } finally {
    await packing.stop();
    await dir.remove();
  }
}

async function readCost(daemon: Daemon, runs: number) {
  const p50 = async (range?: string) => {
    const took: number[] = [];
    for (let run = 0; run < runs; run++) {
      const start = performance.now();
      await daemon.get(`/sessions/${id}/log`, range === undefined ? {} : { headers: { range } });
      took.push(performance.now() - start);
    }
    return percentile(took, 0.5);
  };
  const middle = (logMiB / 2) * 1024 * 1024;
  return {
    wholeMs: await p50(),
    tailMs: await p50("bytes=-1000"),
    innerMs: await p50(`bytes=${middle}-${middle + 999}`),
  };
}
