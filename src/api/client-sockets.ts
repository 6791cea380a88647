/** Clients on WebSockets, of sessions and of chats: each with its bridge, watched for being alive, until it or we leave. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type WebSocket from "ws";
import * as z from "zod";
import type { AuditLog } from "../access/audit-log.ts";
import type { LiveCalls } from "../access/live-calls.ts";
import type { RequestRate } from "../access/request-rate.ts";
import type { Bridge } from "../bridge/bridge.ts";
import type { ClientRoom } from "../bridge/client-room.ts";
import type { Client } from "../bridge/outlet.ts";
import type { ErrorCode } from "../protocol/error.ts";
import { closeCode } from "../protocol/frame.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { type About, frameTrail } from "./audit-trail.ts";
import { closeSocket } from "./close-socket.ts";
import { inboxOf, type SpokenTo } from "./frame-inbox.ts";
import { callerOf } from "./guard.ts";
import { sharedFrame } from "./shared-frame.ts";

export interface ClientSocketsOptions {
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

/** What a client has come for. */
export interface Served extends SpokenTo {
  bridge: Bridge;
  /** As the audit log is to name it. */
  about(): About;
  /** Whether it goes on without this daemon when these sessions do. */
  goesOn(kept: ReadonlySet<string>): boolean;
  /** The client has gone. */
  onClose?(): void;
}

export interface ClientSockets {
  /** `open` is given the far end, and nothing of it may be awaited: frames would be missed. */
  serve(socket: WebSocket, request: FastifyRequest, open: (client: Client) => Served): void;
  /** Says goodbye to the clients of what goes on without this daemon. */
  closeOf(sessions: ReadonlySet<string>, reason: string): void;
  /** … and to all that are left: the daemon has ended their sessions. */
  closeAll(reason: string): void;
}

const pingMs = 30_000;

/** What libuv still holds of the write under way. Node has no public name for it, and its own socket timeouts look here too. */
const WriteUnderWay = z.object({ _handle: z.object({ writeQueueSize: z.number() }) });

interface Connected extends Served {
  isAlive: boolean;
  /** A ping of ours is out. */
  isAsked: boolean;
}

export function clientSockets(app: FastifyInstance, options: ClientSocketsOptions): ClientSockets {
  const clients = new Map<WebSocket, Connected>();
  beatOn(app, clients, options.clientStallMs);
  return {
    serve: (socket, request, open) => {
      const client: Connected = { ...open(farEnd(socket, request)), isAlive: true, isAsked: false };
      clients.set(socket, client);
      const leave = options.onClient(client.bridge.lagBytes);
      const isAnswer = () => {
        const { isAsked } = client;
        if (isAsked) client.isAlive = true;
        client.isAsked = false;
        return isAsked;
      };
      const caller = callerOf(request);
      let isShutOut = false;
      const forget = options.live.begin(caller, (reason) => {
        isShutOut = true;
        closeSocket(socket, closeCode.shutOut, reason);
      });
      const trail = frameTrail(options.audit, { caller, request, about: client.about });
      const talk = { socket, bridge: client.bridge, spokenTo: client, caller, trail };
      const inbox = inboxOf({ ...options, ...talk, isAnswer, isShutOut: () => isShutOut });
      socket.on("message", (data) => {
        client.isAlive = true;
        inbox(bytesOf(data));
      });
      socket.on("error", () => {
        // `close` follows, and says all that matters here.
      });
      socket.on("close", () => {
        client.bridge.close();
        client.onClose?.();
        forget();
        clients.delete(socket);
        leave();
      });
    },
    closeOf: (kept, reason) => {
      for (const [socket, { goesOn }] of clients) if (goesOn(kept)) closeSocket(socket, closeCode.restarting, reason);
    },
    closeAll: (reason) => {
      for (const socket of clients.keys()) closeSocket(socket, closeCode.shuttingDown, reason);
    },
  };
}

/** Asks each now and then whether it is there, and looks whether it reads. */
function beatOn(app: FastifyInstance, clients: ReadonlyMap<WebSocket, Connected>, clientStallMs: number): void {
  const beat = setInterval(() => {
    for (const [socket, client] of clients) {
      client.bridge.checkStall(performance.now());
      // A stalled client cannot answer a ping either; its stall closes it, with the reason that helps.
      // … and while we read nothing from it, its answer is not seen.
      if (!client.isAlive && socket.bufferedAmount === 0 && !socket.isPaused) socket.terminate();
      client.isAlive = false;
      client.isAsked = true;
      socket.ping();
    }
  }, pingMs);
  const stallBeat = setInterval(
    () => {
      for (const { bridge } of clients.values()) bridge.checkStall(performance.now());
    },
    Math.max(100, Math.min(5000, clientStallMs / 4)),
  );
  beat.unref();
  stallBeat.unref();
  app.addHook("onClose", () => {
    clearInterval(beat);
    clearInterval(stallBeat);
  });
}

/** The far end, as the bridge sees it. */
function farEnd(socket: WebSocket, request: FastifyRequest): Client {
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
