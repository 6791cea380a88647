/** A client of the first sidecar's protocol: one event a frame, positions of the sidecar's own stream as offsets. */
import type { WebSocket } from "ws";
import { messageOf } from "../src/protocol/error.ts";
import type { AgentRun } from "./agent-run.ts";
import { readCommand } from "./command-text.ts";
import type { EventLog } from "./event-log.ts";
import { Feed } from "./feed.ts";

export interface OldClientOptions {
  socket: WebSocket;
  /** Replays what begins at or after this position; undefined is live only. */
  since: number | undefined;
  run: AgentRun;
  log: EventLog;
  onChange(): void;
}

export interface OldClient {
  readonly socket: WebSocket;
  readonly feed: Feed;
}

/** Close code for a client that cannot keep up. */
export const tooSlow = 1013;

export function openOldClient(options: OldClientOptions): OldClient {
  const { socket, log, since } = options;
  const feed = new Feed({
    log,
    socket,
    position: since === undefined ? log.end : log.positionFrom(since),
    sendLines: (bytes, end) => {
      for (const frame of oldFrames(bytes, end - bytes.length)) socket.send(frame);
    },
    onChange: options.onChange,
    onGap: () => socket.close(tooSlow, "too slow: events were lost, reconnect with since"),
  });
  const inbox = inboxOf(options);
  socket.on("message", (data) => void inbox(String(data)));
  socket.on("ping", () => closeUnread(socket));
  feed.pump();
  return { socket, feed };
}

/** Each line as an older client expects it: without our counts, with the position after it. */
export function oldFrames(bytes: Buffer, start: number): string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at) + 1;
    const line = bytes.toString("utf8", at, end - 1);
    frames.push(line.replace(/(?:,"raw":\d+)?,"sidecar_seq":\d+\}$/, `,"offset":${start + end}}`));
    at = end;
  }
  return frames;
}

/** A heartbeat is sent, never stored. */
export function oldHeartbeat(data: { uptimeMs: number; isAgentRunning: boolean; now: number }): string {
  const { uptimeMs: uptime_ms, isAgentRunning: agent_running, now: timestamp } = data;
  return JSON.stringify({
    type: "system",
    data: { subtype: "heartbeat", uptime_ms, agent_running },
    offset: 0,
    timestamp,
  });
}

/** Commands of one client that wait for the agent's start, and what they hold. */
const commandsWaitingMax = 1000;
const charactersWaitingMax = 64 * 1024 * 1024;
/** Lines stop well below this: what is on top are answers that nobody reads. */
const unreadBytesMax = 16 * 1024 * 1024;

function inboxOf(options: OldClientOptions): (text: string) => Promise<void> {
  const { socket } = options;
  let waiting = 0;
  let characters = 0;
  return async (text) => {
    // Who is being closed is only read for its goodbye.
    if (socket.readyState !== socket.OPEN) return;
    if (waiting >= commandsWaitingMax || (waiting > 0 && characters + text.length > charactersWaitingMax)) {
      socket.close(tooSlow, "too many commands at once");
      return;
    }
    waiting += 1;
    characters += text.length;
    await answer(options, text);
    waiting -= 1;
    characters -= text.length;
  };
}

/** Pongs and refusals queue where no line would be sent any more. */
function closeUnread(socket: WebSocket): boolean {
  if (socket.bufferedAmount <= unreadBytesMax) return false;
  socket.close(tooSlow, "too many unread answers");
  return true;
}

async function answer({ socket, run }: OldClientOptions, text: string): Promise<void> {
  const fail = (message: string) => {
    if (socket.readyState !== socket.OPEN || closeUnread(socket)) return;
    socket.send(JSON.stringify({ type: "error", data: { message, code: 400 }, offset: 0, timestamp: 0 }));
  };
  const received = readCommand(text);
  if (received.error !== undefined) return fail(received.error);
  const { command } = received;
  if (command.type === "ack" || command.type === "pause" || command.type === "resume") {
    // Only the daemon may say what it has stored.
    return fail(`unknown command type: ${command.type}`);
  }
  try {
    await run.command(command);
  } catch (error) {
    fail(messageOf(error));
  }
}
