/** The WebSocket of a session: checks before the upgrade, then hands over to the bridge. */
import type { FastifyInstance } from "fastify";
import type WebSocket from "ws";
import * as z from "zod";
import { type Bridge, openBridge } from "../bridge/bridge.ts";
import { AgentdError, type ErrorCode, messageOf } from "../protocol/error.ts";
import { ClientFrame, clientFrameTypes, closeCode } from "../protocol/frame.ts";
import { cutCharacter, hasLoneSurrogate } from "../protocol/text.ts";
import type { Session } from "../session/session.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { toAgentdError } from "./error-reply.ts";
import { sharedFrame } from "./shared-frame.ts";

export interface AttachSocketOptions {
  supervisor: Supervisor;
  clientStallMs: number;
  /** Told that a client has come, and how to learn how far it is behind; the answer is called when it has gone. */
  onClient(lagBytes: () => number): () => void;
  /** Told the code of each frame that is answered with an error. */
  onRefused(code: ErrorCode): void;
}

export interface AttachSockets {
  /** Says goodbye to all clients: their sessions go on, or the daemon has ended them. */
  closeAll(goodbye: { reason: string; sessionsGoOn: boolean }): void;
  readonly count: number;
}

const pingMs = 30_000;
/** Frames of one client that may wait for their turn; more is a flood. */
const framesWaitingMax = 1000;
/** What they may hold together before no more is read from the client; it goes on at half of that. */
const frameBytesWaitingMax = 16 * 1024 * 1024;
/** How long a peer may take to answer the close once it could have read it. */
const closeMs = 2000;

/** What libuv still holds of the write under way. Node has no public name for it, and its own socket timeouts look here too. */
const WriteUnderWay = z.object({ _handle: z.object({ writeQueueSize: z.number() }) });
const Since = z.looseObject({
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
  const clients = new Map<WebSocket, { bridge: Bridge; isAlive: boolean }>();

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
        client: {
          send: (text, sent) => {
            // Ahead of ws: what goes to a thousand clients is framed once. It never queues here, so the order holds.
            if (Buffer.isBuffer(text) && socket.readyState === socket.OPEN)
              request.socket.write(sharedFrame(text), sent);
            else socket.send(text, { binary: false }, sent);
          },
          get waitingBytes() {
            return socket.bufferedAmount;
          },
          get unsentBytes() {
            const underWay = WriteUnderWay.safeParse(request.socket);
            return socket.bufferedAmount + (underWay.data?._handle.writeQueueSize ?? 0);
          },
          close: (code, reason) => closeSocket(socket, code, reason),
        },
      });
      const client = { bridge, isAlive: true };
      clients.set(socket, client);
      const leave = options.onClient(bridge.lagBytes);
      socket.on("pong", () => {
        client.isAlive = true;
      });
      const inbox = inboxOf({ socket, bridge, supervisor, session, onRefused: options.onRefused });
      socket.on("message", (data) => {
        client.isAlive = true;
        inbox(bytesOf(data));
      });
      socket.on("error", () => {
        // `close` follows, and says all that matters here.
      });
      socket.on("close", () => {
        bridge.close();
        clients.delete(socket);
        leave();
      });
    },
  });

  return {
    closeAll: ({ reason, sessionsGoOn }) => {
      const code = sessionsGoOn ? closeCode.restarting : closeCode.shuttingDown;
      for (const socket of clients.keys()) closeSocket(socket, code, reason);
    },
    get count() {
      return clients.size;
    },
  };
}

/**
 * A peer that does not answer the close is cut off soon after. At the session's end everything has left by then;
 * who is closed for not reading, or by a daemon that leaves, cannot be waited for.
 */
function closeSocket(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  // A peer whose frames are not read could not be heard to answer.
  if (socket.isPaused) socket.resume();
  const timer = setTimeout(() => socket.terminate(), closeMs);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
}

function bytesOf(data: WebSocket.RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

interface InboxOptions {
  socket: WebSocket;
  bridge: Bridge;
  supervisor: Supervisor;
  session: Session;
  onRefused(code: ErrorCode): void;
}

/** A client's frames are carried out one after the other, in the order they came. */
function inboxOf({ socket, bridge, supervisor, session, onRefused }: InboxOptions): (message: Buffer) => void {
  let waiting = 0;
  let waitingBytes = 0;
  let last: Promise<void> = Promise.resolve();
  return (message) => {
    // Who is being closed is only read for its goodbye.
    if (socket.readyState !== socket.OPEN) return;
    // Not in line behind a prompt that waits for the disk: who pings wants to know whether we live.
    if (isPing(message)) return bridge.tell({ type: "pong" });
    if (waiting >= framesWaitingMax) {
      closeSocket(socket, closeCode.clientTooSlow, "too many frames at once; wait for answers");
      return;
    }
    waiting += 1;
    waitingBytes += message.length;
    if (waitingBytes > frameBytesWaitingMax) socket.pause();
    last = last.then(async () => {
      try {
        await carryOut(parseFrame(message.toString("utf8")), bridge, supervisor, session);
      } catch (error) {
        const { code, message } = toAgentdError(error);
        onRefused(code);
        bridge.tell({ type: "error", error: message, code });
      }
      waiting -= 1;
      waitingBytes -= message.length;
      if (socket.isPaused && waitingBytes <= frameBytesWaitingMax / 2) socket.resume();
    });
  };
}

/** A ping is short: longer messages are not looked into here. */
function isPing(message: Buffer): boolean {
  return message.length < 100 && /^\s*\{\s*"type"\s*:\s*"ping"\s*\}\s*$/.test(message.toString("utf8"));
}

function parseFrame(text: string): ClientFrame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AgentdError("invalid_frame", `Cannot read the frame: it is not JSON (${messageOf(error).slice(0, 200)})`);
  }
  const { type } = z
    .looseObject({ type: z.string().catch("") })
    .catch({ type: "" })
    .parse(value);
  if (!clientFrameTypes.includes(type))
    throw new AgentdError(
      "unknown_frame",
      `unknown frame type: ${type.slice(0, 80)}; known: ${clientFrameTypes.join(", ")}`,
    );
  const frame = ClientFrame.safeParse(value);
  if (!frame.success)
    throw new AgentdError("invalid_frame", `Cannot use the ${type} frame: ${z.prettifyError(frame.error)}`);
  return frame.data;
}

async function carryOut(frame: ClientFrame, bridge: Bridge, supervisor: Supervisor, session: Session): Promise<void> {
  switch (frame.type) {
    case "stdin":
    case "prompt":
    case "steer": {
      const text = frame.data.replace(/\r?\n$/, "");
      if (text.includes("\0"))
        throw new AgentdError("invalid_frame", `Cannot take the ${frame.type}: it contains a NUL character`);
      if (hasLoneSurrogate(text))
        throw new AgentdError("invalid_frame", `Cannot take the ${frame.type}: ${cutCharacter}`);
      if (text.trim() === "") return;
      const attendance = await supervisor.attendanceOf(session.id);
      const { turnId, position } = await (frame.type === "steer" ? attendance.steer(text) : attendance.prompt(text));
      bridge.tell({ type: "accepted", turn_id: turnId, position });
      return;
    }
    case "interrupt":
      return (await supervisor.attendanceOf(session.id)).interrupt();
    case "context":
      return (await supervisor.attendanceOf(session.id)).context(frame.context);
    case "mention":
      return (await supervisor.attendanceOf(session.id)).mention(frame.mention);
    case "withdraw":
      return (await supervisor.attendanceOf(session.id)).withdraw(frame.turn_id);
    case "respond": {
      const { type: _type, request_id, ...answer } = frame;
      await supervisor.respond(session.id, request_id, answer);
      bridge.tell({ type: "answered", request_id });
      return;
    }
    case "ping":
      bridge.tell({ type: "pong" });
      return;
    case "resize":
      // Agents here have no terminal; older clients send it all the same.
      return;
    default:
      frame satisfies never;
  }
}
