/**
 * Follows what a container prints, also over a break with the engine, and hands on whole lines, each once. How far it is say the
 * times that the engine puts before the lines.
 */
import { PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Engine } from "./engine.ts";

const reopenMs = 500;
const lineBytesMax = 64 * 1024;
/** The engine writes down two streams at once: a line of the one may come behind a later one of the other. */
const overlapS = 1;

export interface LogFollowerOptions {
  engine: Engine;
  containerId: string;
  /** Unix ms: what was printed before is left out. */
  since: number;
  onLine(line: string): void;
}

type Stream = "out" | "err";

export class LogFollower {
  readonly #options: LogFollowerOptions;
  /** Of each stream, the time of the last line that was handed on, as the engine writes it: those sort as they read. */
  readonly #last: Record<Stream, string> = { out: "", err: "" };
  #isClosed = false;
  #stream: NodeJS.ReadableStream | undefined;

  constructor(options: LogFollowerOptions) {
    this.#options = options;
  }

  /** What is there by now is handed on when this resolves. */
  async catchUp(): Promise<void> {
    const bytes = await this.#container.logs({ ...this.#wanted, follow: false });
    const split = { out: this.#splitter("out"), err: this.#splitter("err") };
    for (const { stream, part } of framesOf(bytes)) split[stream](part);
  }

  /** Goes on from there until it is closed. */
  begin(): void {
    void this.#run();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#stream && "destroy" in this.#stream && typeof this.#stream.destroy === "function") this.#stream.destroy();
  }

  get #container() {
    return this.#options.engine.getContainer(this.#options.containerId);
  }

  get #wanted() {
    const begin = this.#options.since / 1000;
    const last = this.#last.out > this.#last.err ? this.#last.out : this.#last.err;
    const since = last === "" ? begin : Math.max(begin, Date.parse(last) / 1000 - overlapS);
    return { stdout: true, stderr: true, timestamps: true, since };
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#follow();
      } catch {
        // The engine or the container is away; both are somebody else's to mend.
      }
      await delay(reopenMs, undefined, { ref: false });
    }
  }

  async #follow(): Promise<void> {
    const container = this.#container;
    const stream = await container.logs({ ...this.#wanted, follow: true });
    this.#stream = stream;
    if (this.#isClosed) return this.close();
    const out = new PassThrough().on("data", this.#splitter("out"));
    const err = new PassThrough().on("data", this.#splitter("err"));
    container.modem.demuxStream(stream, out, err);
    await new Promise<void>((resolve) =>
      stream
        .on("end", resolve)
        .on("close", resolve)
        .on("error", () => resolve()),
    );
  }

  /** One for each stream, so that a line of the one does not end inside a line of the other. */
  #splitter(stream: Stream): (chunk: Buffer) => void {
    let rest = "";
    return (chunk) => {
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = (lines.pop() ?? "").slice(0, lineBytesMax);
      for (const line of lines) this.#take(stream, line);
    };
  }

  #take(stream: Stream, line: string): void {
    const gap = line.indexOf(" ");
    const time = line.slice(0, gap);
    // It was read before the break.
    if (gap < 0 || time <= this.#last[stream]) return;
    this.#last[stream] = time;
    this.#options.onLine(line.slice(gap + 1));
  }
}

/** What a container printed, from an answer in frames of eight bytes of header each. */
export function withoutFrames(bytes: Buffer): Buffer {
  return Buffer.concat(framesOf(bytes).map(({ part }) => part));
}

function framesOf(bytes: Buffer): { stream: Stream; part: Buffer }[] {
  const frames: { stream: Stream; part: Buffer }[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    frames.push({ stream: bytes[at] === 2 ? "err" : "out", part: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return frames;
}
