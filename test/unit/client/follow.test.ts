import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { type FollowItem, followSession } from "../../../src/client/follow.ts";
import { AgentdError } from "../../../src/protocol/error.ts";
import type { ServerFrame } from "../../../src/protocol/frame.ts";

interface DaemonOptions {
  /** Offset up to which the log is replayed; what follows is live. */
  liveFrom: number;
  /** Sizes of the replay frames, over and over. */
  frameBytes: readonly number[];
  exitCode: number;
}

interface Daemon {
  port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** As much of a daemon as a follower sees: a log that grows while it is read, frames cut as `frameBytes` says. */
async function startDaemon(log: Buffer, options: DaemonOptions): Promise<Daemon> {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader("content-type", "application/json");
    if (request.url !== "/sessions/s1") response.statusCode = 404;
    response.end(
      JSON.stringify(
        request.url === "/sessions/s1" ? view(options.liveFrom) : { error: "session_not_found", message: "gone" },
      ),
    );
  };
  const server = createServer(answer);
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    const url = new URL(request.url ?? "", "http://x");
    if (url.pathname !== "/ws/sessions/s1") {
      const body = '{"error":"session_not_found","message":"There is no session s2"}';
      socket.end(`HTTP/1.1 404 Not Found\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on("error", () => client.terminate());
      serve(client, log, { ...options, since: Number(url.searchParams.get("since")) });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: portOf(server.address()),
    [Symbol.asyncDispose]: async () => {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function serve(client: WebSocket, log: Buffer, options: DaemonOptions & { since: number }) {
  const send = (frame: ServerFrame) => client.send(JSON.stringify(frame));
  let at = Math.min(options.since, log.length);
  const sizes = options.frameBytes.length > 0 ? options.frameBytes : [log.length];
  for (let n = 0; at < options.liveFrom; n++) {
    const to = Math.min(options.liveFrom, at + (sizes[n % sizes.length] ?? 1));
    send({ type: "replay", data: log.toString("base64", at, to), offset: to });
    at = to;
  }
  send({ type: "connected", session_id: "s1", mode: "pipe" });
  goLive({ client, log, at, exitCode: options.exitCode });
}

function goLive(from: { client: WebSocket; log: Buffer; at: number; exitCode: number }) {
  const { client, log, exitCode } = from;
  const send = (frame: ServerFrame) => client.send(JSON.stringify(frame));
  let { at } = from;
  while (at < log.length) {
    const to = log.indexOf("\n", at) + 1;
    send({ type: "stdout", data: log.toString("utf8", at, to), offset: to });
    at = to;
  }
  send({ type: "exit", exit_code: exitCode });
  client.close(1000);
}

/** Passes bytes on to the daemon, and breaks each connection after the next number of answered bytes. */
async function startBreaker(daemonPort: number, breakAfterBytes: readonly number[]) {
  let next = 0;
  const server = createTcpServer((client) => {
    const upstream = connect(daemonPort, "127.0.0.1");
    let left = breakAfterBytes[next++] ?? Number.POSITIVE_INFINITY;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    client
      .on("data", (chunk) => upstream.write(chunk))
      .on("close", end)
      .on("error", end);
    upstream.on("close", end).on("error", end);
    upstream.on("data", (chunk) => {
      if (chunk.length < left) client.write(chunk);
      else client.end(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) upstream.destroy();
    });
    upstream.off("close", end).on("close", () => client.end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: portOf(server.address()),
    broken: () => Math.min(next, breakAfterBytes.length),
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function view(logBytes: number): unknown {
  const names = { session_id: "s1", id: "s1", agent: "a", agent_name: "a", runtime: "local", runtime_name: "local" };
  const state = {
    status: "running",
    state: "running",
    interactive: true,
    turn_count: 0,
    queue: [],
    last_seq: 0,
    log_bytes: logBytes,
  };
  return {
    ...names,
    ...state,
    created_at: "2026-01-01T00:00:00Z",
    work_dir: "/",
    agent_home: "user",
    session_dir: "/",
    log_file: "/l",
  };
}

function follow(port: number, from: number | "end") {
  const locate = async () => ({ url: `http://127.0.0.1:${port}`, token: undefined, source: "test" });
  return followSession({ locate, sessionId: "s1", from, retryMsMin: 1, giveUpAfterMs: 20_000 });
}

async function collect(items: AsyncIterable<FollowItem>): Promise<{ lines: string[]; last: FollowItem | undefined }> {
  const lines: string[] = [];
  let last: FollowItem | undefined;
  for await (const item of items) {
    if (item.type === "lines") lines.push(...item.lines);
    last = item;
  }
  return { lines, last };
}

function logOf(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(""));
}

const Lines = fc.array(
  fc.record({ text: fc.string({ unit: "grapheme", maxLength: 40 }) }).map((value) => JSON.stringify(value)),
  {
    minLength: 1,
    maxLength: 30,
  },
);

test("gives exactly the lines of the log, whatever the frames and wherever connections break", async () => {
  let broken = 0;
  await fc.assert(
    fc.asyncProperty(
      Lines,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 1500 }), { maxLength: 6 }),
      async (lines, livePart, frameBytes, breaks) => {
        const log = logOf(lines);
        const liveFrom = log.lastIndexOf("\n", Math.floor(livePart * log.length)) + 1;
        await using daemon = await startDaemon(log, { liveFrom, frameBytes, exitCode: 3 });
        await using breaker = await startBreaker(daemon.port, breaks);
        // The very first connection must succeed: a follower does not wait for a daemon that was never there.
        const { lines: got, last } = await collectPatiently(breaker.port);
        expect(got).toEqual(lines);
        expect(last).toEqual({ type: "exit", exitCode: 3 });
        broken += breaker.broken();
      },
    ),
    { numRuns: 60 },
  );
  expect(broken).toBeGreaterThan(60);
});

async function collectPatiently(port: number): Promise<{ lines: string[]; last: FollowItem | undefined }> {
  for (let tries = 0; ; tries++) {
    try {
      return await collect(follow(port, 0));
    } catch (error) {
      if (tries === 10) throw error;
    }
  }
}

test("from inside a line begins with the next one, from a line's start with that one", async () => {
  const lines = ['{"a":1}', '{"b":2}', '{"c":3}'];
  const log = logOf(lines);
  await using daemon = await startDaemon(log, { liveFrom: 16, frameBytes: [5], exitCode: 0 });
  expect((await collect(follow(daemon.port, 3))).lines).toEqual(lines.slice(1));
  expect((await collect(follow(daemon.port, 8))).lines).toEqual(lines.slice(1));
  expect((await collect(follow(daemon.port, 9))).lines).toEqual(lines.slice(2));
  expect((await collect(follow(daemon.port, log.length))).lines).toEqual([]);
});

test("from the end tells only what is new", async () => {
  const lines = ['{"a":1}', '{"b":2}', '{"c":3}'];
  await using daemon = await startDaemon(logOf(lines), { liveFrom: 8, frameBytes: [], exitCode: 0 });
  const follower = follow(daemon.port, "end");
  const got: string[] = [];
  for await (const item of follower) if (item.type === "lines") got.push(...item.lines);
  expect(got).toEqual(lines.slice(1));
  expect(follower.offset).toBe(24);
});

test("an unknown session is an error with the daemon's code", async () => {
  await using daemon = await startDaemon(logOf(["{}"]), { liveFrom: 0, frameBytes: [], exitCode: 0 });
  const locate = async () => ({ url: `http://127.0.0.1:${daemon.port}`, token: undefined, source: "test" });
  const items = collect(followSession({ locate, sessionId: "s2", from: 0 }));
  await expect(items).rejects.toEqual(new AgentdError("session_not_found", "There is no session s2"));
});

test("a daemon that was never there is an error that says what was tried", async () => {
  const locate = async () => ({ url: "http://127.0.0.1:9", token: undefined, source: "--url" });
  await expect(collect(followSession({ locate, sessionId: "s1", from: 0 }))).rejects.toThrow(
    'Cannot reach a daemon at http://127.0.0.1:9 (--url): connection refused. Start one with "agentd serve"',
  );
});
