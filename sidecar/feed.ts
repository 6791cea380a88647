/**
 * One socket that follows the event log: it sends what comes next until the socket has enough, and goes on when the
 * socket has room. Nothing is queued for it: what it has not been sent is in the ring or the spool.
 */
import { WebSocket } from "ws";
import type { EventLog } from "./event-log.ts";

export interface FeedOptions {
  log: EventLog;
  socket: WebSocket;
  /** Position in the log's stream to go on from. */
  position: number;
  /** Sends whole lines; `end` is the position after them. */
  sendLines(bytes: Buffer, end: number): void;
  /** It has become full, or has room again. */
  onChange(): void;
  /** The lines that it needs next are no longer held. */
  onGap(): void;
}

const bufferedBytesMax = 4 * 1024 * 1024;
const bufferedBytesLow = 1024 * 1024;

export class Feed {
  readonly #options: FeedOptions;
  readonly #unfollow: () => void;
  #position: number;
  /** Text frames that stand between the lines, at the position they belong to. */
  #frames: { at: number; text: string }[] = [];
  #isPaused = false;
  #fullSince: number | undefined;
  #lastProgressAt = 0;
  #isClosed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#position = options.position;
    this.#unfollow = options.log.follow(() => this.pump());
  }

  /** When the socket last became full; undefined while it has room. */
  get fullSince(): number | undefined {
    return this.#fullSince;
  }

  /** When a full socket last took something. */
  get lastProgressAt(): number {
    return this.#lastProgressAt;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Text frames that wait for room, or for the lines before them. */
  get waitingFrames(): number {
    return this.#frames.length;
  }

  /** Sends a text frame after every line that is in the log now. */
  sendFrame(text: string): void {
    this.#frames.push({ at: this.#options.log.end, text });
    this.pump();
  }

  /** Sends a text frame without waiting for lines that are held back. */
  sendAhead(text: string): void {
    this.#frames.unshift({ at: this.#position, text });
    this.pump();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.pump();
  }

  pump(): void {
    const { log, socket } = this.#options;
    while (!this.#isClosed && this.#fullSince === undefined && socket.readyState === WebSocket.OPEN) {
      const frame = this.#frames[0];
      if (frame && frame.at <= this.#position) {
        this.#frames.shift();
        socket.send(frame.text);
      } else if (this.#isPaused || this.#position >= log.end) return;
      else if (!this.#sendNext(frame?.at ?? log.end)) return;
      if (socket.bufferedAmount > bufferedBytesMax) this.#waitForRoom();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#fullSince = undefined;
    this.#unfollow();
  }

  #sendNext(until: number): boolean {
    const found = this.#options.log.read(this.#position);
    if (!found) {
      this.#options.onGap();
      return false;
    }
    const bytes = found.length > until - this.#position ? found.subarray(0, until - this.#position) : found;
    this.#position += bytes.length;
    this.#options.sendLines(bytes, this.#position);
    return true;
  }

  /** ws has no event for a buffer that drained; a look every few milliseconds while it is full costs nothing. */
  #waitForRoom(): void {
    this.#fullSince = performance.now();
    this.#lastProgressAt = this.#fullSince;
    this.#options.onChange();
    let buffered = this.#options.socket.bufferedAmount;
    const timer = setInterval(() => {
      const isOpen = !this.#isClosed && this.#options.socket.readyState === WebSocket.OPEN;
      if (isOpen && this.#options.socket.bufferedAmount > bufferedBytesLow) {
        if (this.#options.socket.bufferedAmount < buffered) this.#lastProgressAt = performance.now();
        buffered = this.#options.socket.bufferedAmount;
        return;
      }
      clearInterval(timer);
      this.#fullSince = undefined;
      this.pump();
      this.#options.onChange();
    }, 5);
  }
}
