/**
 * Numbers the events of one agent, remembers them, and wakes whoever follows. The bytes it holds are the sidecar's own
 * stream: whole sidecar lines, addressed by position. Recent ones are in a ring, the unacknowledged in the spool.
 */

import { skipLines, spoolBatchBytes, wholeLines } from "../src/process/spool-reader.ts";
import { encodeSidecarLine, tailNumbers } from "../src/protocol/line.ts";
import { ReplayRing } from "../src/protocol/replay-ring.ts";
import type { HarnessOutput } from "./harness.ts";
import type { RawLog } from "./raw-log.ts";
import type { Redaction } from "./redact/redaction.ts";
import type { Batch, Spool } from "./spool.ts";

export interface EventLogOptions {
  now(): number;
  /** Absent in a sidecar started by hand: the ring is all it has. */
  spool?: Spool;
  rawLog?: RawLog;
  /** Absent when nothing of the session is secret. */
  redaction?: Redaction;
}

const ringBytesMax = 1024 * 1024;

export class EventLog {
  readonly #options: EventLogOptions;
  readonly #ring = new ReplayRing({ capacityMax: ringBytesMax, end: 0 });
  readonly #followers = new Set<() => void>();
  #seq = 0;
  #end = 0;
  /** The batch being told to followers; most of them need no other read. */
  #fresh: Batch | undefined;

  constructor(options: EventLogOptions) {
    this.#options = options;
  }

  /** Count of the newest event. */
  get seq(): number {
    return this.#seq;
  }

  /** Position after the newest event. */
  get end(): number {
    return this.#end;
  }

  /** Numbers and keeps the events. Undefined when they are stored and there is room for more; a promise of that otherwise. */
  append(given: readonly HarnessOutput[]): Promise<void> | undefined {
    const { redaction, rawLog } = this.#options;
    const outputs = redaction ? redaction.pass(given, rawLog !== undefined) : given;
    if (outputs.length === 0) return undefined;
    const batch = this.#encode(outputs);
    this.#ring.push(batch.bytes);
    this.#end += batch.bytes.length;
    this.#options.spool?.append(batch);
    this.#fresh = batch;
    for (const wake of this.#followers) wake();
    this.#fresh = undefined;
    const { spool } = this.#options;
    return spool && !spool.isSettled ? spool.settled() : undefined;
  }

  /** Resolves when all that was appended survives this process, whether there is room for more or not. */
  async stored(): Promise<void> {
    await this.#options.spool?.stored();
  }

  /** Calls `wake` after each append; the returned function ends it. */
  follow(wake: () => void): () => void {
    this.#followers.add(wake);
    return () => this.#followers.delete(wake);
  }

  /** Whole lines from `position` on, at least one; undefined when they are no longer held. */
  read(position: number): Buffer | undefined {
    if (this.#fresh?.start === position) return this.#fresh.bytes;
    const to = Math.min(this.#end, position + spoolBatchBytes);
    const recent = this.#ring.read(position, to);
    if (!recent) return this.#options.spool?.read(position);
    const end = recent.lastIndexOf(0x0a) + 1;
    if (end > 0) return recent.subarray(0, end);
    const rest = this.#ring.read(position, this.#end);
    return rest && wholeLines(rest, spoolBatchBytes);
  }

  /** Position of the line after `seq`; of the oldest one held when that is gone. */
  positionAfter(seq: number): number {
    if (seq >= this.#seq) return this.#end;
    const first = this.#firstInRing();
    if (first && first.seq <= seq + 1) {
      const bytes = this.#ring.read(first.position, this.#end) ?? Buffer.alloc(0);
      return first.position + skipLines(bytes, seq + 1 - first.seq);
    }
    return this.#options.spool?.positionAfter(seq) ?? first?.position ?? this.#end;
  }

  /** Position of the first whole line in memory that begins at or after `position`. */
  positionFrom(position: number): number {
    if (position >= this.#end) return this.#end;
    const from = Math.max(position, this.#ring.start);
    // Begins a line when the byte before it ended one; the very first byte does too.
    if (from === 0) return 0;
    const bytes = this.#ring.read(Math.max(this.#ring.start, from - 1), this.#end) ?? Buffer.alloc(0);
    const newline = bytes.indexOf(0x0a);
    return newline === -1 ? this.#end : this.#end - bytes.length + newline + 1;
  }

  #firstInRing(): { position: number; seq: number } | undefined {
    const position = this.positionFrom(this.#ring.start);
    const bytes = this.#ring.read(position, this.#end);
    if (!bytes || bytes.length === 0) return undefined;
    const line = bytes.toString("latin1", 0, bytes.indexOf(0x0a));
    const seq = tailNumbers(line)?.sidecarSeq;
    return seq === undefined ? undefined : { position, seq };
  }

  #encode(outputs: readonly HarnessOutput[]): Batch {
    const timestamp = this.#options.now();
    const positions = this.#options.rawLog && keepRaw(this.#options.rawLog, outputs);
    const firstSeq = this.#seq + 1;
    let seq = this.#seq;
    let text = "";
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs[i];
      if (!output) continue;
      const sidecarSeq = ++seq;
      const raw = positions?.[i];
      text += encodeSidecarLine(
        output.event,
        raw === undefined ? { timestamp, sidecarSeq } : { timestamp, sidecarSeq, raw },
      );
    }
    // Only now: a count of what could not be written would be a hole, and behind a hole nothing is taken.
    this.#seq = seq;
    return { bytes: Buffer.from(text), start: this.#end, firstSeq, lastSeq: seq };
  }
}

/** Where the line behind each event is in the raw log. Neighbours with the same line came of one line. */
function keepRaw(rawLog: RawLog, outputs: readonly HarnessOutput[]): (number | undefined)[] {
  const lines: string[] = [];
  const lineOf = outputs.map(({ raw }, index) => {
    if (raw === undefined) return -1;
    return raw === outputs[index - 1]?.raw ? lines.length - 1 : lines.push(raw) - 1;
  });
  const positions = lines.length > 0 ? rawLog.append(lines) : undefined;
  return lineOf.map((line) => positions?.[line]);
}
