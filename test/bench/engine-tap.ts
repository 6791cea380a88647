/** A socket in front of a Docker engine's that tells when each request went by and when its answer began. */
import { rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { performance } from "node:perf_hooks";

export interface Passed {
  /** As performance.now() counts. */
  at: number;
  /** Such as `POST /containers/ID/start`, the same with `answered`, or `bootstrap` and `its answer` on an attached stream. */
  what: string;
}

export interface EngineTap {
  host: string;
  /** What passed since the last call. */
  take(): Passed[];
  close(): Promise<void>;
}

export async function tapEngine(enginePath: string, tapPath: string): Promise<EngineTap> {
  let passed: Passed[] = [];
  const open = new Set<Socket>();
  const tell = (what: string) => passed.push({ at: performance.now(), what });
  const server = createServer((client) => {
    const engine = connect(enginePath);
    for (const [one, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy()).on("close", () => open.delete(one) && other.destroy());
    }
    watch(client, engine, tell);
    client.pipe(engine);
    engine.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(tapPath, resolve));
  return {
    host: `unix://${tapPath}`,
    take: () => passed.splice(0),
    close: async () => {
      passed = [];
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(tapPath, { force: true });
    },
  };
}

/** A connection has one request under way at a time; one that was upgraded carries a stream from then on. */
function watch(client: Socket, engine: Socket, tell: (what: string) => void): void {
  let asked: string | undefined;
  let isStream = false;
  client.on("data", (chunk: Buffer) => {
    if (isStream) return tell("bootstrap");
    const [, method, path] = /^([A-Z]+) (\/[^ ?]*)/.exec(chunk.toString("latin1", 0, 500)) ?? [];
    if (method === undefined || path === undefined) return;
    asked = `${method} ${path.replace(/^\/v[\d.]+/, "").replace(/[0-9a-f]{12,}/g, "ID")}`;
    tell(asked);
  });
  engine.on("data", (chunk: Buffer) => {
    if (isStream) return tell("its answer");
    const [, status] = /^HTTP\/1\.1 (\d+)/.exec(chunk.toString("latin1", 0, 20)) ?? [];
    if (status === undefined || asked === undefined) return;
    isStream = status === "101";
    tell(`${asked} answered`);
  });
}
