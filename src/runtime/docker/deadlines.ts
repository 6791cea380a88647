/**
 * No call waits for ever on an engine that has stopped answering: a peer that is gone without a word, one that stands still.
 * An answer has its time, and so has each next piece of what is copied. What may be quiet for as long as it likes (events, logs,
 * connections to sidecars) breaks when the engine is found to answer nothing at all, and is made anew by whoever needs it.
 */
import { PassThrough, pipeline, Readable } from "node:stream";
import type Docker from "dockerode";
import { type EngineAddress, isRemote } from "./engine-address.ts";
import { awayIf, silent } from "./engine-away.ts";

type Dial = Docker["modem"]["dial"];
type Call = Parameters<Dial>[0];
type Done = NonNullable<Parameters<Dial>[1]>;

/** For what an engine knows without looking anywhere. */
const greetingMs = 15_000;
/** Of one that was just found silent, until it has answered something. */
const silentMs = 10_000;
const pingCodes = { 200: true, 500: "server error" };
const greetings = ["/version", "/_ping"];

const known = new WeakMap<Docker, Deadlines>();

/** From here on all calls of this client have theirs. */
export function withDeadlines(engine: Docker, address: EngineAddress): Docker {
  known.set(engine, new Deadlines(engine, address));
  return engine;
}

/** Nobody waits any more: what is under way fails, what is open breaks. */
export function hangUp(engine: Docker): void {
  known.get(engine)?.hangUp();
}

class Deadlines {
  readonly #address: EngineAddress;
  readonly #dial: Dial;
  /** What may be quiet. */
  readonly #open = new Set<Readable>();
  /** Calls under way: each is given up by its function. */
  readonly #waiting = new Set<(error: Error) => void>();
  #isSilent = false;
  #isAsking = false;
  /** When anything last came from it or went to it. */
  #heardAt = performance.now();

  constructor(engine: Docker, address: EngineAddress) {
    const { modem } = engine;
    this.#address = address;
    this.#dial = modem.dial.bind(modem);
    modem.dial = (call, done = () => undefined) => this.#call(call, done);
  }

  hangUp(): void {
    const error = new Error("the daemon leaves");
    this.#giveUp(error);
    this.#break(error);
  }

  #call(call: Call, done: Done): void {
    const ms = this.#timeFor(call);
    const stopping = new AbortController();
    const abortSignal = call.abortSignal ? AbortSignal.any([call.abortSignal, stopping.signal]) : stopping.signal;
    let isOver = false;
    const settle = (error: Error | null, answer?: Parameters<Done>[1]) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      this.#waiting.delete(giveUp);
      // What is not wanted to its end is not read to its end.
      if (error) file?.destroy();
      done(error, answer ?? null);
    };
    const giveUp = (error: Error) => {
      settle(error);
      stopping.abort();
    };
    const timer = setTimeout(() => {
      giveUp(silent(this.#address, ms / 1000));
      this.#suspect();
    }, ms);
    this.#waiting.add(giveUp);
    const file = isPieces(call.file)
      ? Readable.from(
          told(call.file, () => this.#hear(timer)),
          bytes,
        )
      : undefined;
    this.#dial({ ...call, ...(file ? { file } : {}), abortSignal }, (error, answer) => {
      if (!error || isAnswer(error)) this.#hear();
      if (error) settle(awayIf(error, this.#address));
      else if (isOver) (answer as Readable | undefined)?.destroy?.();
      else settle(null, call.isStream && answer instanceof Readable ? this.#streamOf(call, answer) : answer);
    });
  }

  #hear(timer?: NodeJS.Timeout): void {
    this.#heardAt = performance.now();
    this.#isSilent = false;
    timer?.refresh();
  }

  #timeFor({ path }: Call): number {
    const { answerMs } = this.#address;
    if (this.#isSilent) return Math.min(silentMs, answerMs);
    return greetings.includes(path) ? Math.min(greetingMs, answerMs) : answerMs;
  }

  #streamOf(call: Call, answer: Readable): Readable {
    if (isCopied(call)) return this.#inTime(answer);
    this.#open.add(answer);
    return answer.once("close", () => this.#open.delete(answer));
  }

  /** Each next piece comes in time, or the whole breaks. While nobody reads, nobody is late. */
  #inTime(answer: Readable): Readable {
    const { answerMs } = this.#address;
    const read = counted(answer, () => this.#hear(timer));
    const timer = setInterval(() => {
      if (read.readableLength > 0) return;
      answer.destroy(silent(this.#address, answerMs / 1000));
      this.#suspect();
    }, answerMs);
    return read.once("close", () => clearInterval(timer));
  }

  /** A call took too long. Was that the call, or does the engine answer nothing? */
  #suspect(): void {
    if (this.#isSilent || this.#isAsking) return;
    this.#isAsking = true;
    const askedAt = performance.now();
    const ms = Math.min(silentMs, this.#address.answerMs);
    const stopping = new AbortController();
    const timer = setTimeout(() => {
      stopping.abort();
      this.#isAsking = false;
      if (this.#heardAt < askedAt) this.#takeForSilent(silent(this.#address, ms / 1000));
    }, ms);
    this.#dial({ path: "/_ping", method: "GET", statusCodes: pingCodes, abortSignal: stopping.signal }, (error) => {
      if (error && !isAnswer(error)) return;
      clearTimeout(timer);
      this.#isAsking = false;
      this.#hear();
    });
  }

  #takeForSilent(error: Error): void {
    this.#isSilent = true;
    this.#giveUp(error);
    // Those to one of this machine hold: it stands still, and goes on where it was.
    if (isRemote(this.#address)) this.#break(error);
  }

  #giveUp(error: Error): void {
    for (const giveUp of [...this.#waiting]) giveUp(error);
  }

  #break(error: Error): void {
    for (const stream of [...this.#open]) {
      // Whoever uses it hears of it, or does not care.
      stream.on("error", () => undefined);
      stream.destroy(error);
    }
  }
}

/** What comes as fast as it can and then ends: archives, what a command prints that is waited for. */
function isCopied({ path, method, hijack }: Call): boolean {
  if (hijack) return false;
  return (method === "GET" && path.includes("/archive?")) || /^\/exec\/[^/]+\/start/.test(path);
}

const bytes = { objectMode: false };

function isPieces(file: Call["file"]): file is NodeJS.ReadableStream {
  return typeof file === "object" && Symbol.asyncIterator in file;
}

/** The same pieces; `onPiece` hears of each. */
async function* told(pieces: NodeJS.ReadableStream, onPiece: () => void): AsyncGenerator<Buffer | string> {
  for await (const piece of pieces) {
    onPiece();
    yield piece;
  }
}

/** The same bytes; `onPiece` is told of each piece that passes. */
function counted(source: Readable, onPiece: () => void): Readable {
  const through = new PassThrough();
  source.on("data", onPiece);
  // In the same moment as the listener: nothing flows before both are there.
  pipeline(source, through, () => undefined);
  return through;
}

/** The engine said that it cannot: it is there. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && "statusCode" in error && error.statusCode !== undefined;
}
