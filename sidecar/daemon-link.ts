/** The daemon's connection: batches of lines and frames out, commands in. See src/protocol/link-frame.ts. */
import type { WebSocket } from "ws";
import type { Command } from "../src/protocol/command.ts";
import { defined } from "../src/protocol/defined.ts";
import { AgentdError, messageOf } from "../src/protocol/error.ts";
import { linkProtocol, type SidecarFrame } from "../src/protocol/link-frame.ts";
import type { AgentRun } from "./agent-run.ts";
import { type ReceivedCommand, readCommand } from "./command-text.ts";
import type { EventLog } from "./event-log.ts";
import { Feed } from "./feed.ts";
import type { Spool } from "./spool.ts";

export interface DaemonLinkOptions {
  socket: WebSocket;
  sessionId: string;
  /** Lines up to this count are in the daemon's log. */
  afterSeq: number;
  run: AgentRun;
  log: EventLog;
  spool: Spool | undefined;
  /** What was answered, on this link and those before it: a command that comes again is not carried out again. */
  replies: Map<string, Promise<Reply>>;
  /** The socket has become full, or has room again. */
  onChange(): void;
  onAck(): void;
}

export interface DaemonLink {
  readonly socket: WebSocket;
  readonly feed: Feed;
  send(frame: SidecarFrame): void;
  close(): void;
}

/**
 * Close code for a link that a newer one has replaced, for one that asks for lines that are gone, for a stranger's, for
 * one whose answers nobody reads.
 */
export const linkCloseCode = { replaced: 4001, gap: 4002, unproven: 4003, unread: 4004 } as const;

/** Answers and statuses that wait for a daemon that does not read. A new link is told all that they would have said. */
const framesWaitingMax = 2000;

export function openDaemonLink(options: DaemonLinkOptions): DaemonLink {
  const { socket, run, log } = options;
  const feed = new Feed({
    log,
    socket,
    position: log.positionAfter(options.afterSeq),
    sendLines: (bytes) => socket.send(bytes),
    onChange: options.onChange,
    onGap: () => socket.close(linkCloseCode.gap, "lines that were not acknowledged are gone"),
  });
  const link: DaemonLink = {
    socket,
    feed,
    send: (frame) => {
      if (socket.readyState !== socket.OPEN) return;
      if (feed.waitingFrames >= framesWaitingMax) {
        socket.close(linkCloseCode.unread, "too many answers wait; connect again");
        return;
      }
      // While lines are held back only a status, which speaks of them, has to wait; a reply is waited for.
      if (feed.isPaused && frame.type !== "status") feed.sendAhead(JSON.stringify(frame));
      else feed.sendFrame(JSON.stringify(frame));
    },
    close: () => {
      feed.close();
      // What a daemon that is gone could not store is the spool's business now.
      run.release("paused");
      options.onChange();
    },
  };
  const hello: SidecarFrame = {
    type: "hello",
    data: {
      protocol: linkProtocol,
      session_id: options.sessionId,
      sidecar_seq: log.seq,
      last_turn: run.lastTurn,
      status: run.status,
      is_storage_full: options.spool?.isFull ?? false,
    },
  };
  socket.send(JSON.stringify(hello));
  socket.on("message", (data) => void answer(options, link, String(data)));
  feed.pump();
  return link;
}

async function answer(options: DaemonLinkOptions, link: DaemonLink, text: string): Promise<void> {
  const received = readCommand(text);
  const { id } = received;
  if (id === undefined) {
    await replyTo(received, options, link);
    return;
  }
  const reply = options.replies.get(id) ?? replyTo(received, options, link);
  remember(options.replies, id, reply);
  link.send({ type: "reply", data: { id, ...(await reply) } });
}

/** How a command went; for a prompt or steer with the turn it belongs to. */
export type Reply = { ok: true; turn_id?: string; sidecar_seq: number } | Refusal;
type Refusal = { ok: false; error: string; code?: "invalid_request" };

const repliesMax = 1000;

function remember(replies: Map<string, Promise<Reply>>, id: string, reply: Promise<Reply>): void {
  replies.set(id, reply);
  const [oldest] = replies.keys();
  if (replies.size > repliesMax && oldest !== undefined) replies.delete(oldest);
}

/** Never rejects: what went wrong is the reply. */
async function replyTo(received: ReceivedCommand, options: DaemonLinkOptions, link: DaemonLink): Promise<Reply> {
  if (received.error !== undefined) return { ok: false, error: received.error };
  try {
    const turnId = await carryOut(options, link, received.command);
    return { ok: true, ...defined({ turn_id: turnId }), sidecar_seq: options.log.seq };
  } catch (error) {
    const isAskedWrongly = error instanceof AgentdError && error.code === "invalid_request";
    return { ok: false, error: messageOf(error), ...(isAskedWrongly ? { code: "invalid_request" } : {}) };
  }
}

async function carryOut(
  { run, spool, onAck }: DaemonLinkOptions,
  link: DaemonLink,
  command: Command,
): Promise<string | undefined> {
  switch (command.type) {
    case "ack":
      spool?.ack(command.data.sidecar_seq);
      onAck();
      return undefined;
    case "pause":
      run.hold("paused");
      link.feed.pause();
      return undefined;
    case "resume":
      run.release("paused");
      link.feed.resume();
      return undefined;
    default:
      return run.command(command);
  }
}
