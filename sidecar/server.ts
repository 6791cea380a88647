/** The sidecar's door: `/health` and `/ws`, for the daemon on a socket of its own or for a person on a local port. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { SidecarFrame } from "../src/protocol/link-frame.ts";
import { type AccessRules, refusal } from "./access.ts";
import type { AgentRun } from "./agent-run.ts";
import { type DaemonLink, linkCloseCode, openDaemonLink, type Reply } from "./daemon-link.ts";
import type { EventLog } from "./event-log.ts";
import { challengeOf, type LinkChallenge } from "./link-challenge.ts";
import { type OldClient, oldHeartbeat, openOldClient, tooSlow } from "./old-client.ts";
import type { Spool } from "./spool.ts";

export interface SidecarServerOptions {
  access: AccessRules;
  sessionId: string;
  agentType: string;
  run: AgentRun;
  log: EventLog;
  spool?: Spool;
  now(): number;
  /** Somebody has connected, gone, or acknowledged. */
  onActivity(): void;
}

/** A prompt of the largest size that the daemon takes, with every character escaped. */
const payloadBytesMax = 64 * 1024 * 1024;
/** More than that many connections at once are closed as they come: a daemon needs one. */
const connectionsMax = 1000;
const pingEveryMs = 30_000;
const heartbeatEveryMs = 10_000;
/** A client that is full this long is dropped… */
const slowClientMs = 10_000;
/** …and one that took nothing for this long is no longer waited for. */
const clientHoldMs = 1_000;

export class SidecarServer {
  readonly #options: SidecarServerOptions;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: payloadBytesMax, perMessageDeflate: false });
  readonly #challenges = new WeakMap<IncomingMessage, LinkChallenge>();
  readonly #clients = new Set<OldClient>();
  readonly #replies = new Map<string, Promise<Reply>>();
  readonly #timers: NodeJS.Timeout[];
  readonly #startedAt: number;
  #link: DaemonLink | undefined;
  #slowTimer: NodeJS.Timeout | undefined;

  constructor(options: SidecarServerOptions) {
    this.#options = options;
    this.#startedAt = options.now();
    this.#http = createServer((request, response) => this.#respond(request, response));
    this.#http.maxConnections = connectionsMax;
    this.#sockets.on("headers", (lines, request) => lines.push(...(this.#challenges.get(request)?.answer ?? [])));
    this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#timers = [
      setInterval(() => this.#ping(), pingEveryMs),
      setInterval(() => this.#heartbeat(), heartbeatEveryMs),
    ];
  }

  /** The daemon is connected. */
  get isLinked(): boolean {
    return this.#link !== undefined;
  }

  async listen(where: { path: string } | { host: string; port: number }): Promise<string> {
    // A Unix socket must never be open to others, not even for a moment.
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#http.once("error", reject);
        this.#http.listen(where, resolve);
      });
    } finally {
      process.umask(umask);
    }
    const address = this.#http.address();
    return typeof address === "object" && address !== null ? `${address.address}:${address.port}` : String(address);
  }

  /** To the daemon, in order with the lines. */
  tell(frame: SidecarFrame): void {
    this.#link?.send(frame);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    clearInterval(this.#slowTimer);
    for (const socket of this.#allSockets()) socket.close(1000);
    this.#http.close();
    this.#http.closeIdleConnections();
  }

  #allSockets(): WebSocket[] {
    return [...(this.#link ? [this.#link.socket] : []), ...[...this.#clients].map(({ socket }) => socket)];
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    const refused = refusal(request.headers, this.#options.access);
    if (refused) {
      response.writeHead(refused.status, { "content-type": "text/plain" }).end(`${refused.message}\n`);
      return;
    }
    if (targetOf(request).pathname !== "/health") {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
      return;
    }
    const { run, sessionId, agentType } = this.#options;
    const { state } = run;
    const body = {
      status: state.phase === "failed" ? "error" : "ok",
      agent_running: state.phase === "running",
      agent_type: agentType,
      session_id: run.agentSessionId ?? sessionId,
      ...(state.phase === "failed" ? { error_detail: state.message } : {}),
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until it is a WebSocket nobody else listens to it, and a peer that hangs up early must not end us.
    socket.on("error", () => undefined);
    const { access } = this.#options;
    const { pathname, searchParams } = targetOf(request);
    const isLink = pathname === "/ws" && searchParams.has("after");
    // Our socket lies where the agent may put another one, or take ours: there both sides prove themselves.
    const challenge = isLink && !access.isOnPort ? challengeOf(request.headers, access.token) : undefined;
    const refused = challenge ? undefined : refusal(request.headers, { ...access, isLink });
    if (refused) return refuseUpgrade(socket, refused.status, refused.message);
    if (pathname !== "/ws") return refuseUpgrade(socket, 404, "not found");
    const after = readNumber(searchParams.get("after"));
    const since = readNumber(searchParams.get("since"));
    if (after === "invalid") return refuseUpgrade(socket, 400, "invalid after");
    if (since === "invalid") return refuseUpgrade(socket, 400, "invalid since");
    if (challenge) this.#challenges.set(request, challenge);
    this.#sockets.handleUpgrade(request, socket, head, (opened) => {
      if (after === undefined) this.#openClient(opened, since);
      else if (challenge) void this.#openProven(opened, { after, challenge });
      else this.#openLink(opened, after);
      this.#options.onActivity();
    });
  }

  /** A link counts, and takes the place of an earlier one, when it has proved itself. */
  async #openProven(socket: WebSocket, { after, challenge }: { after: number; challenge: LinkChallenge }) {
    if (!(await challenge.proven(socket))) return socket.close(linkCloseCode.unproven, "it does not know the token");
    if (socket.readyState === socket.OPEN) this.#openLink(socket, after);
    this.#options.onActivity();
  }

  #openLink(socket: WebSocket, afterSeq: number): void {
    const { run, log, spool, sessionId, onActivity } = this.#options;
    const earlier = this.#link;
    this.#link = undefined;
    earlier?.close();
    earlier?.socket.close(linkCloseCode.replaced, "replaced by a newer link");
    const link = openDaemonLink({
      socket,
      sessionId,
      afterSeq,
      run,
      log,
      spool,
      replies: this.#replies,
      onChange: () => this.#adjustHold(),
      onAck: onActivity,
    });
    this.#link = link;
    watchLife(socket, () => {
      if (this.#link !== link) return;
      this.#link = undefined;
      link.close();
      onActivity();
    });
    void run.start();
  }

  #openClient(socket: WebSocket, since: number | undefined): void {
    const { run, log, onActivity } = this.#options;
    const { phase } = run.state;
    // What failed at the start is told to everyone who comes later.
    const from = phase === "failed" ? (since ?? 0) : since;
    const client = openOldClient({ socket, since: from, run, log, onChange: () => this.#adjustHold() });
    this.#clients.add(client);
    watchLife(socket, () => {
      client.feed.close();
      this.#clients.delete(client);
      this.#adjustHold();
      onActivity();
    });
    void run.start().then(() => {
      if (run.state.phase === "failed") socket.close(1000);
    });
  }

  /** The agent waits for sockets that are full: what it prints meanwhile would only pile up. */
  #adjustHold(): void {
    const now = performance.now();
    const full = [...this.#clients].filter(({ feed }) => feed.fullSince !== undefined);
    for (const { feed, socket } of full) {
      if (now - (feed.fullSince ?? now) < slowClientMs) continue;
      feed.close();
      socket.close(tooSlow, "too slow");
    }
    const holdsAgent = full.some(
      ({ feed }) => feed.fullSince !== undefined && now - feed.lastProgressAt < clientHoldMs,
    );
    if (holdsAgent || this.#link?.feed.fullSince !== undefined) this.#options.run.hold("full");
    else this.#options.run.release("full");
    if (full.length > 0) this.#slowTimer ??= setInterval(() => this.#adjustHold(), 250);
    else {
      clearInterval(this.#slowTimer);
      this.#slowTimer = undefined;
    }
  }

  #ping(): void {
    for (const socket of this.#allSockets()) {
      if (silentSockets.has(socket)) socket.terminate();
      silentSockets.add(socket);
      if (socket.readyState === socket.OPEN) socket.ping();
    }
  }

  #heartbeat(): void {
    const now = this.#options.now();
    const uptimeMs = now - this.#startedAt;
    // Whoever has not read what came before needs no sign of life.
    if (this.#link?.feed.fullSince === undefined) this.tell({ type: "heartbeat", data: { uptime_ms: uptimeMs } });
    const text = oldHeartbeat({ uptimeMs, isAgentRunning: this.#options.run.state.phase === "running", now });
    for (const { feed, socket } of this.#clients) if (feed.fullSince === undefined) socket.send(text);
  }
}

/** Sockets that have said nothing since the last ping. */
const silentSockets = new WeakSet<WebSocket>();

function watchLife(socket: WebSocket, onClose: () => void): void {
  const sign = () => silentSockets.delete(socket);
  socket.on("pong", sign);
  socket.on("message", sign);
  // A broken connection is told by `close`, which always follows.
  socket.on("error", sign);
  socket.once("close", onClose);
}

function targetOf({ url = "/" }: IncomingMessage): URL {
  const base = "http://sidecar";
  return URL.canParse(url, base) ? new URL(url, base) : new URL("/not-found", base);
}

function readNumber(text: string | null): number | undefined | "invalid" {
  if (text === null) return undefined;
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : "invalid";
}

const statusText = { 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found" } as const;

function refuseUpgrade(socket: Duplex, status: keyof typeof statusText, message: string): void {
  const body = `${message}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${statusText[status]}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
