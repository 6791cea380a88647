/**
 * A session's log from an offset, for as long as the session lives: batches of whole lines, each line once and in
 * order, over as many connections as it takes. Ends with the agent's exit code.
 */
import { messageOf } from "../protocol/error.ts";
import type { InputRequired } from "../protocol/event.ts";
import type { ServerFrame } from "../protocol/frame.ts";
import type { DaemonAddress } from "./address.ts";
import { type FrameSocket, openFrameSocket } from "./frame-socket.ts";
import { LineCursor, type Pushed } from "./line-cursor.ts";
import { canPass, pause } from "./retry.ts";
import { getSession } from "./sessions.ts";

export type FollowItem =
  /** Log lines without their newlines. `offset` is after them: pass it as `from` to go on there. */
  | { type: "lines"; lines: string[]; offset: number; isReplay: boolean }
  /** What was there before is told; from here on lines are news. Again after every reconnect. */
  | { type: "connected" }
  /** The bytes from `from` to `start` are no longer kept by the daemon. */
  | { type: "gap"; from: number; start: number }
  /** A question that was open when we connected; its line may have been read before, or be too old to be read. */
  | { type: "input"; input: InputRequired }
  | { type: "accepted"; turnId: string; position: number }
  /** Something that was sent could not be done. */
  | { type: "refused"; code: string; message: string }
  | { type: "paused"; isPaused: boolean; reason: string }
  /** The connection is gone; the next attempt follows in `retryMs`. */
  | { type: "disconnected"; reason: string; retryMs: number }
  /** Always the last. */
  | { type: "exit"; exitCode: number };

export interface FollowOptions {
  /** Asked before every connection: a restarted daemon may have another port. */
  locate: () => Promise<DaemonAddress>;
  sessionId: string;
  /** Byte offset, or "end" for new lines only. */
  from: number | "end";
  /** Ends the iteration without an error. */
  signal?: AbortSignal;
  /** How long a daemon may be gone before we no longer wait for it. */
  giveUpAfterMs?: number;
  /** First pause before a reconnect; doubles up to `retryMsMax`. */
  retryMsMin?: number;
}

export interface Follower extends AsyncIterable<FollowItem> {
  /** Where a later reader goes on. */
  readonly offset: number;
}

const retryMsMax = 5000;

/** The iteration throws AgentdError when the daemon refuses, DaemonUnreachable when it stays away. One reader. */
export function followSession(options: FollowOptions): Follower {
  const { signal, sessionId, giveUpAfterMs = 10 * 60_000, retryMsMin = 100 } = options;
  let socket: FrameSocket | undefined;
  let cursor: LineCursor | undefined;
  const hangUp = () => socket?.close();

  async function connect(): Promise<{ socket: FrameSocket; cursor: LineCursor }> {
    const address = await options.locate();
    cursor ??= new LineCursor({
      from: options.from === "end" ? (await getSession(address, sessionId)).log_bytes : options.from,
    });
    cursor.restart();
    const path = `/ws/sessions/${encodeURIComponent(sessionId)}?since=${cursor.since}`;
    socket = await openFrameSocket(address, path);
    if (signal?.aborted) socket.close();
    return { socket, cursor };
  }

  async function* follow(): AsyncGenerator<FollowItem, void> {
    let retryMs = retryMsMin;
    let lastSeenAt: number | undefined;
    while (!signal?.aborted) {
      let reason: string;
      try {
        const connection = await connect();
        lastSeenAt = performance.now();
        for await (const item of readConnection(connection)) {
          if (item.type === "lines") retryMs = retryMsMin;
          yield item;
          if (item.type === "exit") return;
        }
        lastSeenAt = performance.now();
        reason = connection.socket.ending;
      } catch (error) {
        const goneMs = lastSeenAt === undefined ? Infinity : performance.now() - lastSeenAt;
        if (!canPass(error) || goneMs > giveUpAfterMs) throw error;
        reason = messageOf(error);
      } finally {
        hangUp();
      }
      if (signal?.aborted) return;
      yield { type: "disconnected", reason, retryMs };
      await pause(retryMs, signal);
      retryMs = Math.min(retryMs * 2, retryMsMax);
    }
  }

  async function* untilAborted(): AsyncGenerator<FollowItem, void> {
    signal?.addEventListener("abort", hangUp);
    try {
      yield* follow();
    } finally {
      signal?.removeEventListener("abort", hangUp);
    }
  }

  return {
    get offset() {
      return cursor?.offset ?? (options.from === "end" ? 0 : options.from);
    },
    [Symbol.asyncIterator]: untilAborted,
  };
}

async function* readConnection(connection: {
  socket: FrameSocket;
  cursor: LineCursor;
}): AsyncGenerator<FollowItem, void> {
  const { socket, cursor } = connection;
  for await (const frame of socket.frames) {
    if (frame.type === "replay" || frame.type === "stdout") {
      const pushed = pushFrame(cursor, frame);
      if (pushed.type === "missed") return;
      if (pushed.type === "gap") yield { type: "gap", from: pushed.from, start: pushed.start };
      if (pushed.lines.length === 0) continue;
      yield { type: "lines", lines: pushed.lines, offset: cursor.offset, isReplay: frame.type === "replay" };
    } else {
      const torn = frame.type === "exit" ? cursor.end() : undefined;
      if (torn !== undefined) yield { type: "lines", lines: [torn], offset: cursor.offset, isReplay: false };
      const item = controlItem(frame);
      if (item) yield item;
    }
  }
}

type DataFrame = Extract<ServerFrame, { type: "replay" | "stdout" }>;

function pushFrame(cursor: LineCursor, frame: DataFrame): Pushed {
  if (frame.type === "stdout") return cursor.push(cursor.decode(frame.data, frame.offset), frame.offset);
  return cursor.push(Buffer.from(frame.data, "base64"), frame.offset, { isGap: frame.gap === true });
}

function controlItem(frame: Exclude<ServerFrame, DataFrame>): FollowItem | undefined {
  switch (frame.type) {
    case "connected":
      return { type: "connected" };
    case "exit":
      return { type: "exit", exitCode: frame.exit_code };
    case "accepted":
      return { type: "accepted", turnId: frame.turn_id, position: frame.position };
    case "error":
      return { type: "refused", code: frame.code, message: frame.error };
    case "paused":
      return { type: "paused", isPaused: frame.paused, reason: frame.reason };
    case "input_required":
      return { type: "input", input: frame.data };
    case "answered":
    case "session":
    case "pong":
      return undefined;
    default:
      return frame satisfies never;
  }
}
