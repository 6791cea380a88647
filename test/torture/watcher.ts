/** A client that follows one session and connects again whenever it is cut off, from where it was. */
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import type { ServerFrame } from "../../src/protocol/frame.ts";
import { strictFrame } from "../support/strict-frame.ts";
import type { Served } from "./kept-daemon.ts";

export class Watcher {
  readonly #sessionId: string;
  readonly #served: () => Promise<Served>;
  readonly #chunks: Buffer[] = [];
  #offset = 0;
  #socket: WebSocket | undefined;
  #isWanted = true;
  /** It saw the session's end: it must have all. */
  hasExit = false;
  /** The session is off the list: nothing more can be had. */
  isGone = false;
  connections = 0;
  /** What must never happen. */
  readonly faults: string[] = [];
  readonly over: Promise<void>;

  constructor(sessionId: string, served: () => Promise<Served>) {
    this.#sessionId = sessionId;
    this.#served = served;
    this.over = this.#follow();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Cuts the connection, as a network would. */
  drop(): void {
    this.#socket?.terminate();
  }

  pause(isPaused: boolean): void {
    if (isPaused) this.#socket?.pause();
    else this.#socket?.resume();
  }

  giveUp(): void {
    this.#isWanted = false;
    this.drop();
  }

  async #follow(): Promise<void> {
    while (this.#isWanted && !this.hasExit && !this.isGone) {
      const served = await this.#served().catch(() => undefined);
      if (served) await this.#connect(served);
      if (!this.hasExit) await sleep(15);
    }
  }

  #connect({ url, token }: Served): Promise<void> {
    const address = `${url.replace(/^http/, "ws")}/ws/sessions/${this.#sessionId}?since=${this.#offset}`;
    const socket = new WebSocket(address, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
      handshakeTimeout: 20_000,
    });
    this.#socket = socket;
    return new Promise((resolve) => {
      socket.on("open", () => {
        this.connections += 1;
      });
      socket.on("unexpected-response", (_request, response) => {
        if (response.statusCode === 404) this.isGone = true;
        response.resume();
        socket.terminate();
      });
      socket.on("message", (data) => this.#hear(String(data)));
      socket.on("error", () => undefined);
      socket.on("close", () => resolve());
    });
  }

  #hear(text: string): void {
    try {
      this.#take(strictFrame(text));
    } catch (error) {
      this.faults.push(String(error));
    }
  }

  #take(frame: ServerFrame): void {
    if (frame.type === "replay") this.#keep(Buffer.from(frame.data, "base64"), frame.offset);
    else if (frame.type === "stdout") this.#keep(Buffer.from(frame.data), frame.offset);
    else if (frame.type === "exit") this.hasExit = true;
  }

  #keep(bytes: Buffer, offset: number): void {
    if (offset !== this.#offset + bytes.length)
      this.faults.push(`a frame of ${bytes.length} bytes at ${this.#offset} says it ends at ${offset}`);
    this.#offset = offset;
    this.#chunks.push(bytes);
  }
}
