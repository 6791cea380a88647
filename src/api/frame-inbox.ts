/** What a WebSocket client sends: read, checked and carried out, one frame after the other. */
import type WebSocket from "ws";
import * as z from "zod";
import type { Caller } from "../access/caller.ts";
import type { RequestRate } from "../access/request-rate.ts";
import type { Bridge } from "../bridge/bridge.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError, type ErrorCode, messageOf } from "../protocol/error.ts";
import { firstIssue } from "../protocol/first-issue.ts";
import { ClientFrame, clientFrameTypes, closeCode } from "../protocol/frame.ts";
import { jsonExcess } from "../protocol/json-depth.ts";
import { cutCharacter, hasLoneSurrogate } from "../protocol/text.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { FrameTrail } from "./audit-trail.ts";
import { closeSocket } from "./close-socket.ts";
import { toAgentdError } from "./error-reply.ts";
import { checkScope } from "./guard.ts";

/** Frames of one client that may wait for their turn; more is a flood. */
const framesWaitingMax = 1000;
/** What they may hold together before no more is read from the client; it goes on at half of that. */
const frameBytesWaitingMax = 16 * 1024 * 1024;
/** Bytes that wait for a client which goes on pinging: the log, its answers, and pongs on top of both. */
const unreadPongsMax = 16 * 1024 * 1024;

/** Whom a client speaks to. */
export interface SpokenTo {
  /** The session that is meant by what is asked of one; throws when there is none. */
  sessionId(): string;
  /** Accepts a prompt or a steer. */
  say(kind: "prompt" | "steer", text: string): Promise<Accepted>;
}

interface Accepted {
  turnId: string;
  position: number;
  /** Where that is not the session that the client sees. */
  sessionId?: string | undefined;
}

interface InboxOptions {
  socket: WebSocket;
  bridge: Bridge;
  supervisor: Supervisor;
  spokenTo: SpokenTo;
  caller: Caller;
  /** Whether the caller's token is good no more. */
  isShutOut(): boolean;
  /** Of all that the caller sends, on this socket and otherwise. */
  rate: RequestRate;
  onRefused(code: ErrorCode): void;
  /** Whether a pong answers a ping of ours; asked once for each pong. */
  isAnswer(): boolean;
  trail: FrameTrail;
}

/** A client's frames are carried out one after the other, in the order they came. */
export function inboxOf({
  socket,
  bridge,
  supervisor,
  spokenTo,
  caller,
  isShutOut,
  rate,
  onRefused,
  isAnswer,
  trail,
}: InboxOptions): (message: Buffer) => void {
  let waiting = 0;
  let waitingBytes = 0;
  let last: Promise<void> = Promise.resolve();
  const isOneTooMany = () => {
    try {
      rate.take(caller);
      return false;
    } catch (error) {
      const { code, message } = toAgentdError(error);
      onRefused(code);
      bridge.tell({ type: "error", error: message, code });
      closeSocket(socket, closeCode.clientTooSlow, "too many frames in a second; reconnect with since=");
      return true;
    }
  };
  // Answered by ws itself, before we hear of it: who only asks and does not read would fill us with pongs.
  socket.on("ping", () => {
    if (socket.readyState !== socket.OPEN || isOneTooMany()) return;
    if (socket.bufferedAmount > unreadPongsMax)
      closeSocket(socket, closeCode.clientTooSlow, "too many unread answers; reconnect with since=");
  });
  // Nobody asked for the others: they are frames like all that a client begins.
  socket.on("pong", () => {
    if (!isAnswer() && socket.readyState === socket.OPEN) isOneTooMany();
  });
  return (message) => {
    // Who is being closed is only read for its goodbye.
    if (socket.readyState !== socket.OPEN || isOneTooMany()) return;
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
      let frame: ClientFrame | undefined;
      try {
        frame = parseFrame(message.toString("utf8"));
        // What a socket said before it was closed counts, unless its token let it in no more.
        if (isShutOut()) return;
        if (frame.type !== "ping" && frame.type !== "resize") checkScope(caller, "write", `a ${frame.type}`);
        await carryOut(frame, { bridge, supervisor, spokenTo });
        trail(frame.type, undefined);
      } catch (error) {
        const { code, message } = toAgentdError(error);
        onRefused(code);
        if (frame) trail(frame.type, code);
        bridge.tell({ type: "error", error: message, code });
      } finally {
        waiting -= 1;
        waitingBytes -= message.length;
        if (socket.isPaused && waitingBytes <= frameBytesWaitingMax / 2) socket.resume();
      }
    });
  };
}

/** A ping is short: longer messages are not looked into here. */
function isPing(message: Buffer): boolean {
  return message.length < 100 && /^\s*\{\s*"type"\s*:\s*"ping"\s*\}\s*$/.test(message.toString("utf8"));
}

function parseFrame(text: string): ClientFrame {
  const excess = jsonExcess(text);
  if (excess !== undefined) throw new AgentdError("invalid_frame", `Cannot read the frame: its JSON is ${excess}`);
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
    throw new AgentdError("invalid_frame", `Cannot use the ${type} frame: ${firstIssue(frame.error)}`);
  return frame.data;
}

async function carryOut(
  frame: ClientFrame,
  { bridge, supervisor, spokenTo }: Pick<InboxOptions, "bridge" | "supervisor" | "spokenTo">,
): Promise<void> {
  const conversation = () => supervisor.conversationWith(spokenTo.sessionId());
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
      const { turnId, position, sessionId } = await spokenTo.say(frame.type === "steer" ? "steer" : "prompt", text);
      bridge.tell({ type: "accepted", turn_id: turnId, position, ...defined({ session_id: sessionId }) });
      return;
    }
    case "interrupt":
      return (await conversation()).interrupt();
    case "context":
      return (await conversation()).context(frame.context);
    case "mention":
      return (await conversation()).mention(frame.mention);
    case "withdraw":
      return (await conversation()).withdraw(frame.turn_id);
    case "respond": {
      const { type: _type, request_id, ...answer } = frame;
      await supervisor.respond(spokenTo.sessionId(), request_id, answer);
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
