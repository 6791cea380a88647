/**
 * One client on a chat: its sessions one after the other, each by a bridge of its own, and between them a socket that
 * stays open. Before each session a frame names it.
 */
import { closeCode, type ServerFrame } from "../protocol/frame.ts";
import type { Session } from "../session/session.ts";
import { type Bridge, openBridge } from "./bridge.ts";
import type { ClientRoom } from "./client-room.ts";
import { type Client, openOutlet } from "./outlet.ts";

export interface RelayOptions {
  client: Client;
  room: ClientRoom;
  clientStallMs: number;
  /** What is shown first; with none it waits for the next. */
  sessions: readonly Session[];
  /** Where the first of them begins; undefined shows only what comes. */
  since: number | undefined;
}

export interface Relay extends Bridge {
  /** The session that is shown, or was last. */
  readonly session: Session | undefined;
  /** This one comes next; one that was shown is not shown again. */
  show(session: Session): void;
  /** There will be no more sessions. */
  end(reason: string): void;
}

export function openRelay({ client, room, clientStallMs, sessions, since }: RelayOptions): Relay {
  const seen = new Set(sessions.map(({ id }) => id));
  const waiting = [...sessions];
  let begin: number | undefined = since;
  let session: Session | undefined;
  let bridge: Bridge | undefined;
  let isOver = false;
  const leave = (code: number, reason: string) => {
    isOver = true;
    client.close(code, reason);
  };
  const outlet = openOutlet({ client: counted(client), room, onSent: () => undefined });
  const showNext = () => {
    if (isOver || bridge) return;
    const next = waiting.shift();
    if (!next) return;
    session = next;
    const named: ServerFrame = { type: "session", session_id: next.id };
    outlet.send(JSON.stringify(named));
    const ended = () => {
      bridge?.close();
      bridge = undefined;
      showNext();
    };
    bridge = openBridge({
      session: next,
      since: begin,
      clientStallMs,
      room,
      client: stayingOpen(client, ended, leave),
    });
    begin = 0;
  };
  showNext();
  // Whoever came to see what is next sees it from its beginning.
  begin = 0;
  return {
    get session() {
      return session;
    },
    show: (next) => {
      if (seen.has(next.id)) return;
      seen.add(next.id);
      waiting.push(next);
      showNext();
    },
    end: (reason) => {
      if (!isOver) leave(closeCode.sessionEnded, reason);
    },
    tell: (frame) => {
      if (isOver || outlet.answer(JSON.stringify(frame))) return;
      leave(closeCode.clientTooSlow, "too many unread answers; reconnect with session= and since=");
    },
    close: () => {
      isOver = true;
      bridge?.close();
      outlet.close();
    },
    lagBytes: () => bridge?.lagBytes() ?? 0,
    checkStall: (now) => bridge?.checkStall(now),
  };
}

/** The same client, for whom the end of a session is not the end. */
function stayingOpen(client: Client, ended: () => void, leave: (code: number, reason: string) => void): Client {
  return {
    send: client.send,
    sendShared: client.sendShared,
    get waitingBytes() {
      return client.waitingBytes;
    },
    get unsentBytes() {
      return client.unsentBytes;
    },
    close: (code, reason) => (code === closeCode.sessionEnded ? ended() : leave(code, reason)),
  };
}

/** The same client, of which only what goes this way is counted: the rest is on the bridge's account. */
function counted(client: Client): Client {
  let waiting = 0;
  return {
    send: (text, sent) => {
      waiting += text.length;
      client.send(text, () => {
        waiting -= text.length;
        sent();
      });
    },
    sendShared: client.sendShared,
    get waitingBytes() {
      return waiting;
    },
    get unsentBytes() {
      return client.unsentBytes;
    },
    close: client.close,
  };
}
