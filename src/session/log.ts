/**
 * The session's NDJSON file: one writer, positional appends, reads at any offset.
 * A write that fails for want of room is cut off again and tried until there is room: nothing is skipped.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { AgentdError, isDiskFull, messageOf } from "../protocol/error.ts";
import { tailNumbers } from "../protocol/line.ts";

export type Fsync = "never" | "turn" | "always";

/** What was found at the end of a log when it was opened. */
export interface LogTail {
  /** Offset of the last line of ours; the same as `lineEnd` when there is none. */
  start: number;
  /** Offset after it. */
  lineEnd: number;
  /** Offset after the last whole line, whose ever it is. */
  end: number;
  seq: number;
  sidecarSeq: number;
  /** When its last line was made. */
  timestamp: number | undefined;
}

export interface LogWriterOptions {
  path: string;
  fsync: Fsync;
  /** What was appended in these pieces is in the file now. Called in order, once a write. */
  onWritten(pieces: readonly Buffer[]): void;
  /** The disk is full, or has room again. */
  onFull(isFull: boolean): void;
  /** The log cannot be written any more. Called once; later appends are dropped. */
  onFailed(error: Error): void;
}

const retryMs = 500;
/** writev takes at most IOV_MAX (1024) buffers. */
const buffersMax = 512;

export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #file: FileHandle;
  #end: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #wantsSync = false;
  #isFull = false;
  #failure: AgentdError | undefined;
  #draining: Promise<void> | undefined;
  /** Those who wait until so many more bytes are in the file, in the order of their numbers. */
  #waiters: { bytesLeft: number; resolve(): void; reject(error: Error): void }[] = [];

  private constructor(options: LogWriterOptions, file: FileHandle, end: number) {
    this.#options = options;
    this.#file = file;
    this.#end = end;
  }

  /** Opens or creates the log and cuts off a torn last line, of so many bytes. */
  static async open(options: LogWriterOptions): Promise<{ writer: LogWriter; tail: LogTail; cutBytes: number }> {
    const file = await open(options.path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      const { size } = await file.stat();
      const tail = await readTail((from, to) => readRange(file, from, to), size);
      if (tail.end < size) await file.truncate(tail.end);
      return { writer: new LogWriter(options, file, tail.end), tail, cutBytes: size - tail.end };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Bytes accepted and not yet in the file; whoever feeds the log slows down when this grows. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Queues whole lines. With `sync`, the file is forced to disk before they are told (unless fsync is `never`). */
  append(bytes: Buffer, options: { sync: boolean }): void {
    if (this.#failure) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (options.sync) this.#wantsSync = true;
    this.#draining ??= this.#drain();
  }

  /**
   * Resolves when what was appended until now is in the file; more may follow meanwhile. Rejects with `log_write_failed`
   * when it never will be.
   */
  stored(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#pendingBytes === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ bytesLeft: this.#pendingBytes, resolve, reject }));
  }

  /** Resolves when nothing waits any more: all that was appended is in the file, or the log has failed. */
  async flushed(): Promise<void> {
    while (this.#draining) await this.#draining;
  }

  async read(from: number, to: number): Promise<Buffer> {
    return readRange(this.#file, from, to);
  }

  async close(): Promise<void> {
    await this.flushed();
    await this.#file.close();
  }

  /** `#draining` is gone in the very moment in which nothing waits any more: what is appended next begins anew. */
  async #drain(): Promise<void> {
    try {
      while (this.#pending.length > 0 && !this.#failure) {
        const batch = this.#pending.splice(0, buffersMax);
        const sync = this.#options.fsync === "always" || (this.#options.fsync === "turn" && this.#wantsSync);
        if (this.#pending.length === 0) this.#wantsSync = false;
        await this.#write(batch);
        if (sync) await this.#sync();
        const bytesStored = batch.reduce((sum, { length }) => sum + length, 0);
        this.#pendingBytes -= bytesStored;
        this.#options.onWritten(batch);
        this.#tellWaiters(bytesStored);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#draining = undefined;
    }
  }

  #tellWaiters(bytesStored: number): void {
    for (const waiter of this.#waiters) waiter.bytesLeft -= bytesStored;
    while (this.#waiters[0] && this.#waiters[0].bytesLeft <= 0) this.#waiters.shift()?.resolve();
  }

  async #write(batch: Buffer[]): Promise<void> {
    const bytes = batch.length === 1 && batch[0] ? batch[0] : Buffer.concat(batch);
    for (;;) {
      try {
        let done = 0;
        while (done < bytes.length) {
          const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#end + done);
          done += bytesWritten;
        }
        this.#end += bytes.length;
        this.#setFull(false);
        return;
      } catch (error) {
        const isFull = isDiskFull(error);
        // A reader of the file must never see half a line, neither while we wait nor after we gave up.
        await this.#file.truncate(this.#end).catch((cutError: unknown) => {
          if (isFull) throw cutError;
        });
        if (!isFull) throw error;
        this.#setFull(true);
        await new Promise((resume) => setTimeout(resume, retryMs));
      }
    }
  }

  #setFull(isFull: boolean): void {
    if (this.#isFull === isFull) return;
    this.#isFull = isFull;
    this.#options.onFull(isFull);
  }

  /** Space may only be found missing when the bytes are to reach the disk. */
  async #sync(): Promise<void> {
    for (;;) {
      try {
        await this.#file.datasync();
        this.#setFull(false);
        return;
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        this.#setFull(true);
        await new Promise((resume) => setTimeout(resume, retryMs));
      }
    }
  }

  #fail(error: unknown): void {
    const { path } = this.#options;
    this.#failure = new AgentdError(
      "log_write_failed",
      `Cannot write the log "${path}": ${messageOf(error)}. The session has ended; see to the disk, then start a new one`,
      { cause: error },
    );
    this.#pending = [];
    this.#pendingBytes = 0;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure);
    this.#options.onFailed(error instanceof Error ? error : new Error(String(error)));
  }
}

/** The bytes [from, to) of a file; fewer when it ends before. */
export async function readRange(file: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(Math.max(0, to - from));
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, from + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

type ReadBytes = (from: number, to: number) => Promise<Buffer>;

/** Lines that are looked at for the last one of ours: behind it some may be damaged, or be somebody else's. */
const tailLinesMax = 1000;

/** The end of the last whole line, and the last one of ours with the counts it carries. */
export async function readTail(read: ReadBytes, size: number): Promise<LogTail> {
  const end = (await lastNewlineBefore(read, size)) + 1;
  if (end === 0) return { start: 0, lineEnd: 0, end: 0, seq: 0, sidecarSeq: 0, timestamp: undefined };
  for (let lineEnd = end, looked = 0; lineEnd > 0 && looked < tailLinesMax; looked++) {
    const start = (await lastNewlineBefore(read, lineEnd - 1)) + 1;
    const numbers = tailNumbers((await read(Math.max(start, lineEnd - 200), lineEnd)).toString("latin1"));
    if (numbers?.seq !== undefined)
      return { start, lineEnd, end, seq: numbers.seq, sidecarSeq: numbers.sidecarSeq, timestamp: numbers.timestamp };
    lineEnd = start;
  }
  throw new Error(`no line at its end (before byte ${end}) carries a seq: this is not a log that agentd wrote`);
}

const blockBytes = 64 * 1024;

async function lastNewlineBefore(read: ReadBytes, end: number): Promise<number> {
  for (let to = end; to > 0; to -= blockBytes) {
    const from = Math.max(0, to - blockBytes);
    const at = (await read(from, to)).lastIndexOf(0x0a);
    if (at !== -1) return from + at;
  }
  return -1;
}
