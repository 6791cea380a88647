/** What goes out to one client: how much may wait for it, of the log and of answers, on its account with the room for all. */
import type { ClientRoom } from "./client-room.ts";

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

export interface Outlet {
  /** It may be sent more of the log… */
  readonly hasRoom: boolean;
  /** …this much at once, a longer line apart. */
  readonly portionBytesMax: number;
  send(frame: string | Buffer, sent?: () => void): void;
  sendShared(frame: Buffer): void;
  /** Sends what it asked for; false when too much of that waits unread, and nothing is sent. */
  answer(text: string): boolean;
  /** Counts what was sent past us too, such as ws's own pongs. */
  look(): void;
  /** The client is gone. */
  close(): void;
}

export interface OutletOptions {
  client: Client;
  room: ClientRoom;
  /** Something has left the process. */
  onSent(): void;
}

/** Answers come on top of what a client may have waiting of the log. */
const unreadAnswersMax = 1024 * 1024;

export function openOutlet({ client, room, onSent }: OutletOptions): Outlet {
  const account = room.open();
  let answerBytes = 0;
  const look = () => account.note(client.waitingBytes);
  const noteSent = () => {
    look();
    onSent();
  };
  const send = (frame: string | Buffer, sent = noteSent) => {
    client.send(frame, sent);
    look();
  };
  return {
    get hasRoom() {
      return client.waitingBytes < room.share;
    },
    get portionBytesMax() {
      return room.share;
    },
    send,
    sendShared: (frame) => {
      client.sendShared(frame, noteSent);
      look();
    },
    answer: (text) => {
      if (answerBytes >= unreadAnswersMax) return false;
      answerBytes += text.length;
      send(text, () => {
        answerBytes -= text.length;
        noteSent();
      });
      return true;
    },
    look,
    close: account.close,
  };
}
