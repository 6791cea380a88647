/** The WebSocket of a session: checks before the upgrade, then hands over to the bridge. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type WebSocket from "ws";
import * as z from "zod";
import type { AuditLog } from "../access/audit-log.ts";
import type { LiveCalls } from "../access/live-calls.ts";
import type { RequestRate } from "../access/request-rate.ts";
import { type Bridge, openBridge } from "../bridge/bridge.ts";
import type { ClientRoom } from "../bridge/client-room.ts";
import type { Client } from "../bridge/outlet.ts";
import { AgentdError, type ErrorCode } from "../protocol/error.ts";
import { closeCode } from "../protocol/frame.ts";
import type { Session } from "../session/session.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { frameTrail } from "./audit-trail.ts";
import { closeSocket } from "./close-socket.ts";
import { inboxOf } from "./frame-inbox.ts";
import { callerOf } from "./guard.ts";
import { sharedFrame } from "./shared-frame.ts";

export interface AttachSocketOptions {
  supervisor: Supervisor;
  live: LiveCalls;
  rate: RequestRate;
  audit: AuditLog;
  clientStallMs: number;
  room: ClientRoom;
  /** Told that a client has come, and how to learn how far it is behind; the answer is called when it has gone. */
  onClient(lagBytes: () => number): () => void;
  /** Told the code of each frame that is answered with an error. */
  onRefused(code: ErrorCode): void;
}

export interface AttachSockets {
  /** Says goodbye to the clients of these sessions, which go on without this daemon. */
  closeOf(sessions: ReadonlySet<string>, reason: string): void;
  /** … and to all that are left: the daemon has ended their sessions. */
  closeAll(reason: string): void;
  readonly count: number;
}

const pingMs = 30_000;

/** What libuv still holds of the write under way. Node has no public name for it, and its own socket timeouts look here too. */
const WriteUnderWay = z.object({ _handle: z.object({ writeQueueSize: z.number() }) });
export const Since = z.looseObject({
  since: z
    .string()
    .regex(/^\d{1,15}$/)
    .optional()
    .catch(undefined),
});

export function attachSocket(app: FastifyInstance, options: AttachSocketOptions): AttachSockets {
  const { supervisor } = options;
  /** What an upgrade is for, found before it: from then on nothing may be awaited, or frames would be missed. */
  const sessions = new WeakMap<object, Session>();
  const clients = new Map<WebSocket, { bridge: Bridge; sessionId: string; isAlive: boolean }>();

  const beat = setInterval(() => {
    for (const [socket, client] of clients) {
      client.bridge.checkStall(performance.now());
      // A stalled client cannot answer a ping either; its stall closes it, with the reason that helps.
      // … and while we read nothing from it, its answer is not seen.
      if (!client.isAlive && socket.bufferedAmount === 0 && !socket.isPaused) socket.terminate();
      client.isAlive = false;
      socket.ping();
    }
  }, pingMs);
  const stallBeat = setInterval(
    () => {
      for (const { bridge } of clients.values()) bridge.checkStall(performance.now());
    },
    Math.max(100, Math.min(5000, options.clientStallMs / 4)),
  );
  beat.unref();
  stallBeat.unref();
  app.addHook("onClose", () => {
    clearInterval(beat);
    clearInterval(stallBeat);
  });

  app.route<{ Params: { id: string } }>({
    method: "GET",
    url: "/ws/sessions/:id",
    // Before the upgrade, so that an unknown session is an ordinary 404.
    preValidation: async (request) => {
      sessions.set(request, (await supervisor.get(request.params.id)).session);
    },
    handler: () => {
      throw new AgentdError(
        "upgrade_required",
        "Cannot attach by plain HTTP: this is a WebSocket address. Use a WebSocket client, or poll /sessions/ID/logs",
      );
    },
    wsHandler: (socket, request) => {
      const session = sessions.get(request);
      if (!session) throw new Error("an upgrade was not looked into beforehand");
      const { since } = Since.parse(request.query);
      const bridge = openBridge({
        session,
        since: since === undefined ? undefined : Number(since),
        clientStallMs: options.clientStallMs,
        room: options.room,
        client: clientOf(socket, request),
      });
      const client = { bridge, sessionId: session.id, isAlive: true };
      clients.set(socket, client);
      const leave = options.onClient(bridge.lagBytes);
      socket.on("pong", () => {
        client.isAlive = true;
      });
      const caller = callerOf(request);
      let isShutOut = false;
      const forget = options.live.begin(caller, (reason) => {
        isShutOut = true;
        closeSocket(socket, closeCode.shutOut, reason);
      });
      const trail = frameTrail(options.audit, { caller, request, sessionId: session.id });
      const talk = { socket, bridge, session, caller, trail };
      const inbox = inboxOf({ ...options, ...talk, isShutOut: () => isShutOut });
      socket.on("message", (data) => {
        client.isAlive = true;
        inbox(bytesOf(data));
      });
      socket.on("error", () => {
        // `close` follows, and says all that matters here.
      });
      socket.on("close", () => {
        bridge.close();
        forget();
        clients.delete(socket);
        leave();
      });
    },
  });

  return {
    closeOf: (ids, reason) => {
      for (const [socket, { sessionId }] of clients)
        if (ids.has(sessionId)) closeSocket(socket, closeCode.restarting, reason);
    },
    closeAll: (reason) => {
      for (const socket of clients.keys()) closeSocket(socket, closeCode.shuttingDown, reason);
    },
    get count() {
      return clients.size;
    },
  };
}

/** The far end, as the bridge sees it. */
function clientOf(socket: WebSocket, request: FastifyRequest): Client {
  return {
    send: (text, sent) => socket.send(text, { binary: false }, sent),
    sendShared: (text, sent) => {
      // Past ws: what goes to a thousand clients is framed once. ws queues nothing itself here, so the order holds.
      if (socket.readyState === socket.OPEN) request.socket.write(sharedFrame(text), sent);
    },
    get waitingBytes() {
      return socket.bufferedAmount;
    },
    get unsentBytes() {
      const underWay = WriteUnderWay.safeParse(request.socket);
      return socket.bufferedAmount + (underWay.data?._handle.writeQueueSize ?? 0);
    },
    close: (code, reason) => closeSocket(socket, code, reason),
  };
}

function bytesOf(data: WebSocket.RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
