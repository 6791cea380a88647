/**
 * What clients have been sent and have not taken is bounded for each of them, and here for all of them together: the less
 * room is left, the smaller is what one may have waiting. Nobody is shut out: a client always gets a small portion.
 */

/** What one client may leave unread before it gets no more of the log. */
const shareMax = 1024 * 1024;
/** … and when many leave as much: a few lines, or one. */
const shareMin = 16 * 1024;
/** Of the room that is left, one client gets so much: the first few hundred are not felt, and later ones find some too. */
const partOfRoom = 1 / 16;

export interface ClientAccount {
  /** So much waits for the client now. */
  note(waitingBytes: number): void;
  /** Nothing waits for it any more, nor ever will. */
  close(): void;
}

export class ClientRoom {
  readonly #bytesMax: number;
  #heldBytes = 0;

  constructor(options: { bytesMax: number }) {
    this.#bytesMax = options.bytesMax;
  }

  /** What waits for all clients. A buffer that several are sent counts for each of them. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** What a client may have waiting before it gets no more of the log, and what it gets of it at once. */
  get share(): number {
    const part = Math.floor((this.#bytesMax - this.#heldBytes) * partOfRoom);
    return Math.max(shareMin, Math.min(shareMax, part));
  }

  open(): ClientAccount {
    let heldBytes = 0;
    let isClosed = false;
    const note = (waitingBytes: number) => {
      if (isClosed) return;
      this.#heldBytes += waitingBytes - heldBytes;
      heldBytes = waitingBytes;
    };
    return {
      note,
      close: () => {
        note(0);
        isClosed = true;
      },
    };
  }
}
