/**
 * What the daemon has not acknowledged, in files: see src/process/spool-reader.ts for their shape.
 * A batch that finds the disk full waits in memory and is tried again; the files never hold half a line for long.
 */
import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { skipLines, spoolBatchBytes, spoolFileName, wholeLines } from "../src/process/spool-reader.ts";
import { errnoOf, messageOf } from "../src/protocol/error.ts";

/** Whole lines with consecutive counts. `start` is their byte position in the sidecar's own stream. */
export interface Batch {
  bytes: Buffer;
  start: number;
  firstSeq: number;
  lastSeq: number;
}

interface Segment {
  path: string;
  firstSeq: number;
  lastSeq: number;
  start: number;
  end: number;
}

export interface SpoolOptions {
  sessionDir: string;
  /** Unacknowledged bytes before `settled` waits for acknowledgements. */
  spoolBytesMax: number;
  segmentBytesMax?: number;
  /** The disk is full, or has room again. */
  onStorage(change: { paused: boolean; message: string }): void;
  /** The spool cannot be written at all. Called once; later batches are only kept in the ring. */
  onFailed(error: Error): void;
}

const defaultSegmentBytes = 4 * 1024 * 1024;
/** A wholly acknowledged segment of this size is given back even though it is not full. */
const idleSegmentBytes = 256 * 1024;
/** How finely acknowledged bytes are accounted for within a segment. */
const markBytes = 64 * 1024;
const retryMs = 500;

export class Spool {
  readonly #options: SpoolOptions;
  #segments: Segment[] = [];
  /** Of the newest segment; undefined when the next batch begins a new one. */
  #file: number | undefined;
  /** A write to it has begun and not come to its end. */
  #isTorn = false;
  /** Not in a file yet: the disk is full. */
  #pending: Batch[] = [];
  #retry: NodeJS.Timeout | undefined;
  #hasFailed = false;
  #ackedSeq = 0;
  /** Ends of stretches of the stream, oldest first: what an acknowledgement frees. */
  #marks: { lastSeq: number; end: number; start: number }[] = [];
  #waiters: (() => void)[] = [];

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Bytes that the daemon has not acknowledged, to the nearest 64 KiB. */
  get unackedBytes(): number {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    return first && last ? last.end - first.start : 0;
  }

  get ackedSeq(): number {
    return this.#ackedSeq;
  }

  /** Whether all that was appended is in a file (or acknowledged) and there is room for more. */
  get isSettled(): boolean {
    return this.#hasFailed || (this.#pending.length === 0 && this.unackedBytes <= this.#options.spoolBytesMax);
  }

  /** Writes at once: by the time it returns the batch survives this process, unless the disk is full. */
  append(batch: Batch): void {
    if (this.#hasFailed) return;
    this.#mark(batch);
    if (this.#pending.length > 0) this.#pending.push(batch);
    else if (!this.#store(batch)) this.#waitForRoom(batch);
  }

  /** The disk is full; it is tried again and again. */
  get isFull(): boolean {
    return this.#retry !== undefined;
  }

  /** Resolves when `isSettled`. */
  async settled(): Promise<void> {
    while (!this.isSettled) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Resolves when all that was appended is in a file, or acknowledged, or never will be. */
  async stored(): Promise<void> {
    while (this.#pending.length > 0) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** The counts of the lines that are in no file yet: the disk is full. */
  get unstored(): { firstSeq: number; lastSeq: number } | undefined {
    const [first, last] = [this.#pending[0], this.#pending.at(-1)];
    return first && last && { firstSeq: first.firstSeq, lastSeq: last.lastSeq };
  }

  /** Everything up to `seq` need not be kept. */
  ack(seq: number): void {
    if (seq <= this.#ackedSeq) return;
    this.#ackedSeq = seq;
    this.#dropAcked(this.#marks);
    this.#dropAcked(this.#pending);
    while (this.#segments.length > 1 && (this.#segments[0]?.lastSeq ?? seq) <= seq) this.#removeOldest();
    const last = this.#segments[0];
    if (this.#segments.length === 1 && last && last.lastSeq <= seq && last.end - last.start >= idleSegmentBytes) {
      this.#closeFile();
      this.#removeOldest();
    }
    this.#wake();
  }

  /** Whole lines from `position` of the stream on; undefined when they are not held. */
  read(position: number): Buffer | undefined {
    const waiting = this.#pending.find(({ start, bytes }) => position >= start && position < start + bytes.length);
    if (waiting) return waiting.bytes.subarray(position - waiting.start);
    const segment = this.#segments.find(({ start, end }) => position >= start && position < end);
    if (!segment) return undefined;
    const from = position - segment.start;
    const bytes = readAt(segment.path, from, Math.min(spoolBatchBytes, segment.end - position));
    const end = bytes.lastIndexOf(0x0a) + 1;
    if (end > 0) return bytes.subarray(0, end);
    // One line that is longer than a batch; or nothing, when the file was taken away.
    const rest = readAt(segment.path, from, segment.end - position);
    return rest.length > 0 ? wholeLines(rest, spoolBatchBytes) : undefined;
  }

  /** Position in the stream of the line after `seq`; of the oldest line held when that one is gone. */
  positionAfter(seq: number): number | undefined {
    const segment = this.#segments.findLast(({ firstSeq }) => firstSeq <= seq + 1) ?? this.#segments[0];
    if (segment && segment.lastSeq > seq) {
      return (
        segment.start + skipLines(readAt(segment.path, 0, segment.end - segment.start), seq + 1 - segment.firstSeq)
      );
    }
    const waiting = this.#pending.find(({ lastSeq }) => lastSeq > seq);
    return waiting && waiting.start + skipLines(waiting.bytes, seq + 1 - waiting.firstSeq);
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#closeFile();
  }

  #mark({ lastSeq, start, bytes }: Batch): void {
    const end = start + bytes.length;
    const last = this.#marks.at(-1);
    if (last && end - last.start <= markBytes) {
      last.end = end;
      last.lastSeq = lastSeq;
    } else this.#marks.push({ lastSeq, start, end });
  }

  #dropAcked(list: { lastSeq: number }[]): void {
    const kept = list.findIndex(({ lastSeq }) => lastSeq > this.#ackedSeq);
    list.splice(0, kept === -1 ? list.length : kept);
  }

  /** False when the disk is full; nothing of the batch is in a file then. */
  #store(batch: Batch): boolean {
    try {
      const segment = this.#segmentFor(batch);
      if (this.#file === undefined) return false;
      // A torn tail of an earlier attempt goes first: a reader must never see half a line in the middle.
      if (this.#isTorn) ftruncateSync(this.#file, segment.end - segment.start);
      this.#isTorn = true;
      for (let done = 0; done < batch.bytes.length; ) {
        const position = segment.end - segment.start + done;
        done += writeSync(this.#file, batch.bytes, done, batch.bytes.length - done, position);
      }
      segment.end = batch.start + batch.bytes.length;
      segment.lastSeq = batch.lastSeq;
      this.#isTorn = false;
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOSPC" || errnoOf(error) === "EDQUOT") return false;
      this.#fail(error);
      return true;
    }
  }

  #segmentFor(batch: Batch): Segment {
    const current = this.#segments.at(-1);
    const bytesMax = this.#options.segmentBytesMax ?? defaultSegmentBytes;
    // What was acknowledged while it waited in memory is in no file: counts in a file have no holes, so a new one begins.
    if (current && this.#file !== undefined && current.end === batch.start && current.end - current.start < bytesMax) {
      return current;
    }
    this.#closeFile();
    this.#isTorn = false;
    const path = join(this.#options.sessionDir, spoolFileName(batch.firstSeq));
    const { firstSeq, start } = batch;
    const segment: Segment = { path, firstSeq, lastSeq: firstSeq - 1, start, end: start };
    // Exclusive: the lines of another sidecar are never written over.
    this.#file = openSync(path, "wx", 0o600);
    this.#segments.push(segment);
    return segment;
  }

  #waitForRoom(batch: Batch): void {
    this.#pending.push(batch);
    if (this.#retry) return;
    this.#options.onStorage({
      paused: true,
      message: `the disk of ${this.#options.sessionDir} is full; the agent waits until there is room`,
    });
    this.#retry = setInterval(() => this.#storePending(), retryMs);
  }

  #storePending(): void {
    for (let next = this.#pending[0]; next; next = this.#pending[0]) {
      if (!this.#store(next)) return;
      this.#pending.shift();
    }
    clearInterval(this.#retry);
    this.#retry = undefined;
    if (!this.#hasFailed) this.#options.onStorage({ paused: false, message: "there is room again" });
    this.#wake();
  }

  #fail(error: unknown): void {
    this.#hasFailed = true;
    this.#pending = [];
    this.#marks = [];
    const reason = `Cannot keep events in ${this.#options.sessionDir}: ${messageOf(error)}`;
    this.#options.onFailed(new Error(reason, { cause: error }));
    this.#wake();
  }

  #removeOldest(): void {
    const oldest = this.#segments.shift();
    if (oldest) rmSync(oldest.path, { force: true });
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** Each looks for itself whether it has waited long enough. */
  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resume of waiters) resume();
  }
}

/** Fewer bytes when the file ends before; none when somebody removed it. */
function readAt(path: string, position: number, length: number): Buffer {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
  try {
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const count = readSync(file, bytes, done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(file);
  }
}
