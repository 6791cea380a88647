/** Follows what a container prints, also over a break with the engine, and hands on whole lines. */
import { PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Engine } from "./engine.ts";

const reopenMs = 500;
const lineBytesMax = 64 * 1024;

export interface LogFollowerOptions {
  engine: Engine;
  containerId: string;
  /** Unix ms: what was printed before is left out. */
  since: number;
  onLine(line: string): void;
}

export class LogFollower {
  readonly #options: LogFollowerOptions;
  #since: number;
  #isClosed = false;
  #stream: NodeJS.ReadableStream | undefined;

  constructor(options: LogFollowerOptions) {
    this.#options = options;
    this.#since = options.since;
    void this.#run();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#stream && "destroy" in this.#stream && typeof this.#stream.destroy === "function") this.#stream.destroy();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const openedAt = Date.now();
      try {
        await this.#follow();
      } catch {
        // The engine or the container is away; both are somebody else's to mend.
      }
      this.#since = openedAt;
      await delay(reopenMs, undefined, { ref: false });
    }
  }

  async #follow(): Promise<void> {
    const { engine, containerId, onLine } = this.#options;
    const container = engine.getContainer(containerId);
    const stream = await container.logs({ follow: true, stdout: true, stderr: true, since: this.#since / 1000 });
    this.#stream = stream;
    if (this.#isClosed) return this.close();
    const lines = lineSplitter(onLine);
    const out = new PassThrough().on("data", lines());
    const err = new PassThrough().on("data", lines());
    container.modem.demuxStream(stream, out, err);
    await new Promise<void>((resolve) =>
      stream
        .on("end", resolve)
        .on("close", resolve)
        .on("error", () => resolve()),
    );
  }
}

/** One for each stream, so that a line of the one does not end inside a line of the other. */
function lineSplitter(onLine: (line: string) => void): () => (chunk: Buffer) => void {
  return () => {
    let rest = "";
    return (chunk) => {
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = (lines.pop() ?? "").slice(0, lineBytesMax);
      for (const line of lines) onLine(line);
    };
  };
}

/** What a container printed, from an answer in frames of eight bytes of header each. */
export function withoutFrames(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts);
}
