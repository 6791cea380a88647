/**
 * One client on one session: replay, live, goodbye. Knows neither fastify nor ws: it gets a way to send.
 * Each client has a cursor of its own, so its pace is its own affair.
 */
import { messageOf } from "../protocol/error.ts";
import type { ServerFrame } from "../protocol/frame.ts";
import type { Session } from "../session/session.ts";
import { nextLinesNow, nextLinesStored } from "./lines.ts";

export interface Client {
  /** Sends a text message; `sent` is called when it has left the process. */
  send(text: string | Buffer, sent: () => void): void;
  /** Bytes that wait to be sent. */
  readonly waitingBytes: number;
  /** Falls with every byte that leaves, also in the midst of a message; how large it is says nothing. */
  readonly unsentBytes: number;
  close(code: number, reason: string): void;
}

export interface BridgeOptions {
  session: Session;
  client: Client;
  /** Offset to replay from; undefined shows only what comes. */
  since: number | undefined;
  clientStallMs: number;
}

export interface Bridge {
  /** Sends a frame that is not part of the log. */
  tell(frame: ServerFrame): void;
  /** The client is gone. */
  close(): void;
  /** Closes a client that has not read for too long. Called now and then. */
  checkStall(now: number): void;
  /** Bytes of the log that it has not been sent yet. */
  lagBytes(): number;
}

/** What a client may leave unread before it gets no more of the log. */
const waitingBytesMax = 1024 * 1024;
/** Answers come on top of that; a client that asks and asks without reading them is closed. */
const unreadAnswersMax = 2 * waitingBytesMax;

export function openBridge(options: BridgeOptions): Bridge {
  const { session, client } = options;
  const since = options.since === undefined ? undefined : Math.min(options.since, session.end);
  const replayTo = session.end;
  let cursor = since ?? replayTo;
  let isReplaying = true;
  let isPumping = false;
  let isWanted = false;
  /** `ending`: the exit was sent, and the close follows once all has left. */
  let phase: "open" | "ending" | "closed" = "open";
  let isPausedShown = false;
  let stalled: { since: number; unsentBytes: number } | undefined;

  const onSent = () => {
    stalled = undefined;
    if (client.waitingBytes < waitingBytesMax) wake();
  };
  const leave = (code: number, reason: string) => {
    phase = "closed";
    client.close(code, reason);
  };
  const send = (text: string | Buffer) => client.send(text, onSent);
  const sendFrame = (frame: ServerFrame) => send(JSON.stringify(frame));

  /** A wake during a pump makes it look once more: nothing that happens while it ends is missed. */
  const wake = () => {
    isWanted = true;
    if (!isPumping && phase === "open") void run();
  };
  const run = async () => {
    isPumping = true;
    try {
      while (isWanted) {
        isWanted = false;
        await pump();
      }
    } catch (error) {
      leave(1011, `cannot read the log: ${messageOf(error)}`.slice(0, 120));
    }
    isPumping = false;
  };

  /** Sends until the client is up to date or has enough waiting. */
  const pump = async () => {
    for (;;) {
      if (isReplaying && cursor >= replayTo) {
        isReplaying = false;
        sendFrame({ type: "connected", session_id: session.id, mode: "pipe" });
        // Whoever comes late, and may have read none of the log, must see what waits for a person.
        if (session.isLive) for (const data of session.inputs.open) sendFrame({ type: "input_required", data });
      }
      if (session.isPaused !== isPausedShown) {
        isPausedShown = session.isPaused;
        sendFrame({ type: "paused", paused: isPausedShown, reason: isPausedShown ? "the disk is full" : "" });
      }
      if (phase !== "open" || client.waitingBytes >= waitingBytesMax) return;
      const to = isReplaying ? replayTo : session.end;
      if (cursor >= to) break;
      const bytes = nextLinesNow(session, cursor, to) ?? (await nextLinesStored(session, cursor, to));
      if (phase !== "open") return;
      cursor += bytes.length;
      if (isReplaying) send(replayFrame(bytes, cursor));
      else send(stdoutFrame(session, bytes, cursor));
    }
    const { state } = session;
    if (state.at === "ended" && session.isSealed) {
      phase = "ending";
      client.send(JSON.stringify({ type: "exit", exit_code: state.exitCode } satisfies ServerFrame), () => {
        if (phase === "ending") leave(1000, "the session has ended");
      });
    }
  };

  const unfollow = session.follow(wake);
  wake();
  return {
    tell: (frame) => {
      if (phase !== "open") return;
      if (client.waitingBytes < unreadAnswersMax) return sendFrame(frame);
      leave(1013, "too many unread answers; reconnect with since=");
    },
    close: () => {
      phase = "closed";
      unfollow();
    },
    lagBytes: () => session.end - cursor,
    checkStall: (now) => {
      if (phase === "closed" || client.waitingBytes === 0) {
        stalled = undefined;
        return;
      }
      const { unsentBytes } = client;
      // A large message on a slow line takes its time: what counts is that some of it leaves.
      if (stalled === undefined || unsentBytes < stalled.unsentBytes) stalled = { since: now, unsentBytes };
      if (now - stalled.since < options.clientStallMs) return;
      leave(1013, `not read for ${Math.round(options.clientStallMs / 1000)} s; reconnect with since=`);
    },
  };
}

/** Base64 needs no escapes: looking for some in a long log would cost as much as making it. */
function replayFrame(bytes: Buffer, to: number): Buffer {
  return Buffer.from(`{"type":"replay","data":"${bytes.toString("base64")}","offset":${to}}`, "latin1");
}

/** The last frame made for each session: followers at the same place share it. */
const lastFrames = new WeakMap<Session, { from: number; to: number; frame: Buffer }>();

function stdoutFrame(session: Session, bytes: Buffer, to: number): Buffer {
  const last = lastFrames.get(session);
  const from = to - bytes.length;
  if (last && last.from === from && last.to === to) return last.frame;
  const frame = Buffer.from(`{"type":"stdout","data":${JSON.stringify(bytes.toString("utf8"))},"offset":${to}}`);
  if (session.followerCount > 1) lastFrames.set(session, { from, to, frame });
  return frame;
}
