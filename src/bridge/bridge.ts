/**
 * One client on one session: replay, live, goodbye. Knows neither fastify nor ws: it gets a way to send.
 * Each client has a cursor of its own, so its pace is its own affair.
 */
import { messageOf } from "../protocol/error.ts";
import type { ServerFrame } from "../protocol/frame.ts";
import type { Session } from "../session/session.ts";
import { type Portion, recentPortion, storedPortion } from "./portions.ts";

export interface Client {
  /** Sends a text message; `sent` is called when it has left the process. */
  send(text: string | Buffer, sent: () => void): void;
  /** The same, of a buffer that other clients are sent too. */
  sendShared(text: Buffer, sent: () => void): void;
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

export function openBridge({ session, client, since, clientStallMs }: BridgeOptions): Bridge {
  const replayTo = session.end;
  let cursor = Math.min(since ?? replayTo, replayTo);
  let isReplaying = true;
  let isPumping = false;
  let isWanted = false;
  /** `ending`: the exit was sent, and the close follows once all has left. */
  let phase: "open" | "ending" | "closed" = "open";
  let isPausedShown = false;
  const stall = stallWatch(client, clientStallMs);

  const onSent = () => {
    stall.reset();
    if (client.waitingBytes < waitingBytesMax) wake();
  };
  const leave = (code: number, reason: string) => {
    phase = "closed";
    client.close(code, reason);
  };
  const sendFrame = (frame: ServerFrame) => client.send(JSON.stringify(frame), onSent);

  /** A wake during a pump makes it look once more: nothing that happens while it ends is missed. */
  const wake = () => {
    isWanted = true;
    if (!isPumping && phase === "open") run();
  };
  /** Whoever wakes us has others to wake: nothing is thrown at them. */
  const fail = (error: unknown) => leave(1011, `cannot read the log: ${messageOf(error)}`);
  /** Without a promise while all that is wanted is in memory: with many clients those would be most of the work. */
  const run = () => {
    isPumping = true;
    try {
      while (isWanted) {
        isWanted = false;
        if (pump() === "stored") {
          isWanted = true;
          void sendStored().then(run, fail);
          return;
        }
      }
    } catch (error) {
      fail(error);
    }
    isPumping = false;
  };

  const wanted = () => ({ from: cursor, to: isReplaying ? replayTo : session.end, isReplaying });
  const sendPortion = ({ to, frame, isShared }: Portion) => {
    if (phase !== "open") return;
    cursor = to;
    client[isShared ? "sendShared" : "send"](frame, onSent);
  };
  const sendStored = async () => sendPortion(await storedPortion(session, wanted()));

  /** Sends until the client is up to date or has enough waiting, or `stored`: the file has to be read. */
  const pump = (): "stored" | undefined => {
    for (;;) {
      if (isReplaying && cursor >= replayTo) {
        isReplaying = false;
        for (const frame of greetingOf(session)) sendFrame(frame);
      }
      if (session.isPaused !== isPausedShown) {
        isPausedShown = session.isPaused;
        sendFrame({ type: "paused", paused: isPausedShown, reason: isPausedShown ? "the disk is full" : "" });
      }
      if (phase !== "open" || client.waitingBytes >= waitingBytesMax) return undefined;
      const next = wanted();
      if (cursor >= next.to) break;
      const portion = recentPortion(session, next);
      if (!portion) return "stored";
      sendPortion(portion);
    }
    const exit = exitOf(session);
    if (exit) {
      phase = "ending";
      client.send(JSON.stringify(exit), () => {
        if (phase === "ending") leave(1000, "the session has ended");
      });
    }
    return undefined;
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
      if (phase === "closed" || !stall.isStalled(now)) return;
      leave(1013, `not read for ${Math.round(clientStallMs / 1000)} s; reconnect with since=`);
    },
  };
}

/** What follows the replay. Whoever comes late, and may have read none of the log, must see what waits for a person. */
function greetingOf(session: Session): ServerFrame[] {
  const open = session.isLive ? session.inputs.open : [];
  return [
    { type: "connected", session_id: session.id, mode: "pipe" },
    ...open.map((data) => ({ type: "input_required" as const, data })),
  ];
}

/** Undefined as long as the log may still grow. */
function exitOf({ state, isSealed }: Session): ServerFrame | undefined {
  return state.at === "ended" && isSealed ? { type: "exit", exit_code: state.exitCode } : undefined;
}

/** Tells when nothing has left for a client for that long, although something waits. */
function stallWatch(client: Client, stallMs: number): { reset(): void; isStalled(now: number): boolean } {
  let stalled: { since: number; unsentBytes: number } | undefined;
  const reset = () => {
    stalled = undefined;
  };
  return {
    reset,
    isStalled: (now) => {
      if (client.waitingBytes === 0) {
        reset();
        return false;
      }
      const { unsentBytes } = client;
      // A large message on a slow line takes its time: what counts is that some of it leaves.
      if (stalled === undefined || unsentBytes < stalled.unsentBytes) stalled = { since: now, unsentBytes };
      return now - stalled.since >= stallMs;
    },
  };
}
