/**
 * One client on one session: replay, live, goodbye. Knows neither fastify nor ws: it gets a way to send.
 * Each client has a cursor of its own, so its pace is its own affair.
 */
import { messageOf } from "../protocol/error.ts";
import type { ServerFrame } from "../protocol/frame.ts";
import type { Session } from "../session/session.ts";
import type { ClientRoom } from "./client-room.ts";
import { type Client, openOutlet } from "./outlet.ts";
import { type Portion, recentPortion, storedPortion } from "./portions.ts";

export interface BridgeOptions {
  session: Session;
  client: Client;
  room: ClientRoom;
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

export function openBridge({ session, client, room, since, clientStallMs }: BridgeOptions): Bridge {
  const replayTo = session.end;
  let cursor = Math.min(since ?? replayTo, replayTo);
  let isReplaying = true;
  /** `ending`: the exit was sent, and the close follows once all has left. */
  let phase: "open" | "ending" | "closed" = "open";
  let isPausedShown = false;
  const stall = stallWatch(client, clientStallMs);
  const outlet = openOutlet({
    client,
    room,
    onSent: () => {
      stall.reset();
      if (outlet.hasRoom) wake();
    },
  });
  const leave = (code: number, reason: string) => {
    phase = "closed";
    client.close(code, reason);
  };
  const sendFrame = (frame: ServerFrame) => outlet.send(JSON.stringify(frame));

  const fail = (error: unknown) => leave(1011, `cannot read the log: ${messageOf(error)}`);

  const wanted = () => ({
    from: cursor,
    to: isReplaying ? replayTo : session.end,
    bytesMax: outlet.portionBytesMax,
    isReplaying,
  });
  const sendPortion = ({ to, frame, isShared }: Portion) => {
    if (phase !== "open") return;
    cursor = to;
    if (isShared) outlet.sendShared(frame);
    else outlet.send(frame);
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
      if (phase !== "open" || !outlet.hasRoom) return undefined;
      const next = wanted();
      if (cursor >= next.to) break;
      const portion = recentPortion(session, next);
      if (!portion) return "stored";
      sendPortion(portion);
    }
    const exit = exitOf(session);
    if (exit) {
      phase = "ending";
      outlet.send(JSON.stringify(exit), () => {
        if (phase === "ending") leave(1000, "the session has ended");
      });
    }
    return undefined;
  };

  const wake = pumpedBy({ pump, sendStored, isOpen: () => phase === "open", fail });
  const unfollow = session.follow(wake);
  wake();
  return {
    tell: (frame) => {
      if (phase !== "open") return;
      if (outlet.answer(JSON.stringify(frame))) return;
      leave(1013, "too many unread answers; reconnect with since=");
    },
    close: () => {
      phase = "closed";
      unfollow();
      outlet.close();
    },
    lagBytes: () => session.end - cursor,
    checkStall: (now) => {
      outlet.look();
      // Others may have left room.
      if (outlet.hasRoom) wake();
      if (phase === "closed" || !stall.isStalled(now)) return;
      leave(1013, `not read for ${Math.round(clientStallMs / 1000)} s; reconnect with since=`);
    },
  };
}

interface Pumping {
  /** `stored`: it wants to be called again when what is in the file was sent. */
  pump(): "stored" | undefined;
  sendStored(): Promise<void>;
  isOpen(): boolean;
  /** Whoever wakes us has others to wake: nothing is thrown at them. */
  fail(error: unknown): void;
}

/** A wake during a pump makes it look once more: nothing that happens while it ends is missed. */
function pumpedBy({ pump, sendStored, isOpen, fail }: Pumping): () => void {
  let isPumping = false;
  let isWanted = false;
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
  return () => {
    isWanted = true;
    if (!isPumping && isOpen()) run();
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
