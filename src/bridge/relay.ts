/**
 * One client on a chat: its sessions one after the other, each by a bridge of its own, and between them a socket that
 * stays open. Before each session a frame names it.
 */
import { messageOf } from "../protocol/error.ts";
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
  first: Session | undefined;
  /** Those behind it, oldest first: a chain is long, so each is opened when it is shown. */
  later: readonly string[];
  /** Undefined for one that can no longer be read, which is left out. */
  find(id: string): Promise<Session | undefined>;
  /** Where the first begins; undefined shows only what comes. */
  since: number | undefined;
}

export interface Relay extends Bridge {
  /** The session that is shown, or was last. */
  readonly session: Session | undefined;
  /** This one comes next; one that was shown is not shown again. */
  show(session: Session): void;
  /** There will be no more sessions: it ends when those that there are have been shown to their ends. */
  end(reason: string): void;
}

export function openRelay({ client, room, clientStallMs, first, later, find, since }: RelayOptions): Relay {
  /** Whoever is told of again: what ran when the client came is the last of the chain, and others are told of by `show`. */
  const seen = new Set([later.at(-1) ?? first?.id]);
  const waiting: (Session | string)[] = [...(first ? [first] : []), ...later];
  let session: Session | undefined;
  let bridge: Bridge | undefined;
  let isOver = false;
  let isOpening = false;
  /** Why it ends when all has been shown. */
  let endsFor: string | undefined;
  const leave = (code: number, reason: string) => {
    isOver = true;
    client.close(code, reason);
  };
  const outlet = openOutlet({ client: counted(client), room, onSent: () => undefined });
  const showNext = () => {
    if (isOver || bridge || isOpening) return;
    const next = waiting.shift();
    if (next === undefined) {
      if (endsFor !== undefined) leave(closeCode.sessionEnded, endsFor);
    } else if (typeof next === "string") open(next);
    else showOne(next);
  };
  const open = (id: string) => {
    isOpening = true;
    find(id).then(
      (found) => {
        isOpening = false;
        if (found && !isOver) showOne(found);
        else showNext();
      },
      (error: unknown) => leave(1011, `cannot read session ${id}: ${messageOf(error)}`),
    );
  };
  const showOne = (next: Session) => {
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
      // Whoever came to see what is next sees it from its beginning.
      since: next === first ? since : 0,
      clientStallMs,
      room,
      client: stayingOpen(client, ended, leave),
    });
  };
  showNext();
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
      endsFor = reason;
      showNext();
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
    send: (text, sent) => client.send(text, sent),
    sendShared: (text, sent) => client.sendShared(text, sent),
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
    sendShared: (text, sent) => client.sendShared(text, sent),
    get waitingBytes() {
      return waiting;
    },
    get unsentBytes() {
      return client.unsentBytes;
    },
    close: (code, reason) => client.close(code, reason),
  };
}
