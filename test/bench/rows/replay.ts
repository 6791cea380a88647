/** A whole log of 1 GiB read again: over HTTP as it is, and over WebSocket in frames. */
import { rm } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import WebSocket from "ws";
import { type Daemon, startDaemon } from "../../support/start-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { makeLongLog } from "../long-log.ts";
import { privateKib } from "../process-figures.ts";
import type { Figure } from "../row.ts";
import { socketSpeed } from "../socket-speed.ts";

export interface Replayed {
  firstByteMs: number;
  /** MB of log a second. */
  rate: number;
  /** Most private memory of the daemon above what it had before, in MiB. */
  grownMib: number;
}

const gibibyte = 1024 ** 3;

export async function replay(): Promise<Figure[]> {
  const folder = await tempDir();
  const dataDir = join(folder.path, "data");
  const log = await makeLongLog(dataDir, gibibyte);
  const daemon = await startDaemon({ dataDir });
  try {
    const pure = await socketSpeed(join(dataDir, "sessions", log.id, "events.ndjson"));
    const http = await replayed(daemon, log.bytes, (onBytes) => readHttp(daemon, log.id, onBytes));
    const socket = await replayed(daemon, log.bytes, (onBytes) => readSocket(daemon, log.id, onBytes));
    return figuresOf({ pure, http, socket });
  } finally {
    await daemon.stop();
    await rm(folder.path, { recursive: true, force: true });
  }
}

function figuresOf({ pure, http, socket }: { pure: number; http: Replayed; socket: Replayed }): Figure[] {
  return [
    {
      name: "replay of 1 GiB over HTTP: share of a bare pipe from file to socket",
      value: http.rate / pure,
      unit: "",
      target: { atLeast: 0.8 },
      note: `${http.rate.toFixed(0)} of ${pure.toFixed(0)} MB/s`,
    },
    {
      name: "replay of 1 GiB over WebSocket",
      value: socket.rate,
      unit: "MB/s of log",
      note: "frames of JSON with base64: encoding it, and reading it here, is what takes the time",
    },
    {
      name: "replay of 1 GiB: first byte",
      value: Math.max(http.firstByteMs, socket.firstByteMs),
      unit: "ms",
      target: { atMost: 50 },
      note: `HTTP ${http.firstByteMs.toFixed(1)}, WebSocket ${socket.firstByteMs.toFixed(1)} ms`,
    },
    {
      name: "replay of 1 GiB: growth of the daemon",
      value: Math.max(http.grownMib, socket.grownMib),
      unit: "MiB",
      target: { atMost: 64 },
      note: "flat: it does not depend on the log's length (see the series)",
    },
  ];
}

export async function replayed(
  daemon: Daemon,
  logBytes: number,
  read: (onBytes: () => void) => Promise<void>,
): Promise<Replayed> {
  const before = privateKib(daemon.pid);
  let most = before;
  const sampler = setInterval(() => {
    most = Math.max(most, privateKib(daemon.pid));
  }, 50);
  const start = performance.now();
  let firstByteMs = 0;
  await read(() => {
    firstByteMs ||= performance.now() - start;
  });
  clearInterval(sampler);
  return {
    firstByteMs,
    rate: logBytes / 1000 / (performance.now() - start),
    grownMib: (most - before) / 1024,
  };
}

export function readHttp(daemon: Daemon, id: string, onBytes: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${daemon.token}` };
    get(`${daemon.url}/sessions/${id}/log`, { headers }, (response) => {
      response.on("data", onBytes);
      response.on("end", resolve);
      response.on("error", reject);
    }).on("error", reject);
  });
}

export function readSocket(daemon: Daemon, id: string, onBytes: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${daemon.token}` };
    const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/sessions/${id}?since=0`, {
      headers,
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    socket.on("message", onBytes);
    socket.on("close", () => resolve());
    socket.on("error", reject);
  });
}
