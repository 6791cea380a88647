/** A client in memory that reads when it is told to. */
import { expect } from "vitest";
import type { Client } from "../../../src/bridge/outlet.ts";
import type { ServerFrame } from "../../../src/protocol/frame.ts";
import { strictFrame } from "../../support/strict-frame.ts";

export class PacedClient implements Client {
  readonly frames: ServerFrame[] = [];
  closed: { code: number; reason: string } | undefined;
  waitingMax = 0;
  #waiting: { text: string; sent: () => void }[] = [];
  #waitingBytes = 0;
  isReading = true;

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Bytes of the first message that have left. */
  partlyRead = 0;
  get unsentBytes(): number {
    return this.#waitingBytes - this.partlyRead;
  }

  send(text: string | Buffer, sent: () => void): void {
    expect(this.closed).toBeUndefined();
    this.#waiting.push({ text: String(text), sent });
    this.#waitingBytes += text.length;
    this.waitingMax = Math.max(this.waitingMax, this.#waitingBytes);
    if (this.isReading) setImmediate(() => this.isReading && this.read());
  }

  sendShared(text: Buffer, sent: () => void): void {
    this.send(text, sent);
  }

  /** Takes what waits, at most so many messages. */
  read(messages = Number.POSITIVE_INFINITY): void {
    for (const { text, sent } of this.#waiting.splice(0, messages)) {
      this.#waitingBytes -= Buffer.byteLength(text);
      this.frames.push(strictFrame(text));
      sent();
    }
  }

  close(code: number, reason: string): void {
    this.closed ??= { code, reason };
  }

  /** The log bytes it was sent. */
  get bytes(): Buffer {
    return Buffer.concat(this.chunks.map(({ bytes }) => bytes));
  }

  get chunks(): { type: string; bytes: Buffer; offset: number }[] {
    return this.frames.flatMap((frame): { type: string; bytes: Buffer; offset: number }[] => {
      if (frame.type === "replay")
        return [{ type: frame.type, bytes: Buffer.from(frame.data, "base64"), offset: frame.offset }];
      if (frame.type === "stdout") return [{ type: frame.type, bytes: Buffer.from(frame.data), offset: frame.offset }];
      return [];
    });
  }

  get types(): string[] {
    return this.frames.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
  }
}
