/**
 * One session: its identity, state, log and ring. The only place that appends, and so the only one that mints
 * offsets and seq. Order is a promise: file, then ring, then followers.
 */
import { AgentdError } from "../protocol/error.ts";
import { type EventOf, SessionEvent } from "../protocol/event.ts";
import { encodeDaemonLine, knownLogLine, LineNumbers, peekType, spliceSeq, tailNumbers } from "../protocol/line.ts";
import { ReplayRing } from "../protocol/replay-ring.ts";
import type { PermissionMode, SessionSpec } from "../protocol/session.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { SessionHome } from "./home.ts";
import { Inputs } from "./inputs.ts";
import { next, type SessionInput, type SessionState } from "./lifecycle.ts";
import { type Fsync, type LogTail, LogWriter, readTail } from "./log.ts";
import { type LogEnd, readLogEnd } from "./log-end.ts";
import { StoredFile } from "./stored-file.ts";
import { addResult, noTotals, type Totals } from "./totals.ts";
import type { SessionWatch } from "./watch.ts";

export interface SessionOptions {
  spec: SessionSpec;
  home: SessionHome;
  ringBytesMax: number;
  fsync: Fsync;
  /** Looks on; absent where nobody does. */
  watch?: SessionWatch | undefined;
  /** Told where a line of the log begins that whoever read it passed over: it is damaged, or none of ours. */
  onPassedOver?: ((session: Session, at: number) => void) | undefined;
}

/** How the agent ended, and when. */
export interface Exit {
  data: EventOf<"exit">["data"];
  at: number;
}

/** What the session tells its supervisor. Called in order. */
export interface SessionObserver {
  /** An event that says something about the session's life passed by; it is queued for the log, perhaps not yet in it. */
  onEvent(event: SessionEvent, at: number): void;
  /** The sidecar's last line, `exit`, comes next: the moment for what must stand before it. Undefined when it cannot be read. */
  onBeforeExit(exit: EventOf<"exit">["data"] | undefined): void;
  /** Lines up to this count of the sidecar's are in the file. */
  onStored(sidecarSeq: number): void;
  onFull(isFull: boolean): void;
  onLogFailed(error: Error): void;
}

const newline = 0x0a;
/** What somebody is told of as done: outcomes, and what was accepted. */
const mustReachDisk: ReadonlySet<string> = new Set(["result", "exit", "user_message", "input_resolved"]);
const Timestamp = LineNumbers.pick({ timestamp: true });

export class Session {
  readonly spec: SessionSpec;
  readonly home: SessionHome;
  /** What waits for a person. */
  readonly inputs = new Inputs();
  readonly #options: SessionOptions;
  /** The log once nobody writes to it. */
  readonly #file: StoredFile;
  #state: SessionState = { at: "pending" };
  #totals: Totals = noTotals;
  #log: LogWriter | undefined;
  #ring: ReplayRing;
  #observer: SessionObserver | undefined;
  #followers = new Set<() => void>();
  #seq = 0;
  #sidecarSeq = 0;
  #end = 0;
  #isPaused = false;
  #isSidecarPaused = false;
  #lastActivity: number | undefined;
  /** How far the sidecar's count has come in the file. */
  #storedSeq = 0;
  /** Those who wait for that. */
  #waiters: { sidecarSeq: number; resolve(): void; reject(error: Error): void }[] = [];
  /** The sidecar's counts after each piece on its way into the file, oldest first. */
  #storing: number[] = [];
  /** `exit` has been taken: nothing may follow it. */
  #hasExit = false;
  agentSessionId: string | undefined;
  model: string | undefined;
  /** Who decides on tools now; the spec says who did at the start. */
  permissionMode: PermissionMode;
  /** Its sidecar has answered a daemon: from then on its agent may have been given a prompt. */
  wasMet = false;
  /** What is known of the log up to an offset; a restored one is not believed before it was held against the log. */
  checkpoint: Checkpoint | undefined;
  /** The log that was opened ended with this already, and when it was written. */
  foundExit: Exit | undefined;
  /** Half a line that the log ended with when it was opened: it was cut off. */
  cutBytes = 0;
  /** How the log of a session ends that ended under an earlier daemon. */
  storedEnd: LogEnd | undefined;
  /** Why the log could not be written, when that ended the session. */
  logError: Error | undefined;

  constructor(options: SessionOptions) {
    this.spec = options.spec;
    this.home = options.home;
    this.permissionMode = options.spec.permission_mode;
    this.#options = options;
    this.#file = new StoredFile(options.home.log);
    this.#ring = new ReplayRing({ capacityMax: options.ringBytesMax, end: 0 });
  }

  get id(): string {
    return this.spec.session_id;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The log is whole: `exit` is its last line and it gets no more. */
  get isSealed(): boolean {
    return this.#state.at === "ended" && this.#log === undefined;
  }

  get isLive(): boolean {
    return this.#state.at !== "ended";
  }

  get totals(): Totals {
    return this.#totals;
  }

  /** Offset after the last line that is in the file: what readers may see. */
  get end(): number {
    return this.#end;
  }

  /** Offset of the first byte kept. */
  get start(): number {
    return 0;
  }

  get seq(): number {
    return this.#seq;
  }

  /** How far the sidecar's count has come, lines on their way into the file included. */
  get sidecarSeq(): number {
    return this.#sidecarSeq;
  }

  /** True while the disk is full. */
  get isPaused(): boolean {
    return this.#isPaused || (this.#isSidecarPaused && this.isLive);
  }

  /** True while this log itself cannot be written for want of room. */
  get isLogPaused(): boolean {
    return this.#isPaused;
  }

  /** How far the sidecar's count has come in the file. */
  get storedSeq(): number {
    return this.#storedSeq;
  }

  /** The sidecar cannot store more, or can again. */
  pauseForSidecar(isPaused: boolean): void {
    this.#pause(() => {
      this.#isSidecarPaused = isPaused;
    });
  }

  get lastActivity(): number | undefined {
    return this.#lastActivity;
  }

  /** Bytes accepted and not yet in the file. */
  get pendingBytes(): number {
    return this.#log?.pendingBytes ?? 0;
  }

  apply(input: SessionInput): void {
    this.#state = next(this.#state, input);
    if (input.type === "launched") this.#options.watch?.launched(this, { isAdopted: input.isAdopted });
  }

  /** Opens the log for appending; a torn last line is cut off. Rejects with the error of the file system. */
  async open(observer: SessionObserver): Promise<void> {
    this.#observer = observer;
    const { writer, tail, cutBytes } = await LogWriter.open({
      path: this.home.log,
      fsync: this.#options.fsync,
      onWritten: (pieces) => this.#publish(pieces),
      onFull: (isFull) => {
        this.#pause(() => {
          this.#isPaused = isFull;
        });
        observer.onFull(isFull);
      },
      onFailed: (error) => observer.onLogFailed(error),
    });
    this.#log = writer;
    this.cutBytes = cutBytes;
    this.#goOnFrom(tail);
    this.foundExit = exitIn(await writer.read(tail.start, tail.lineEnd));
    if (tail.lineEnd < tail.end) this.passedOver(tail.lineEnd);
    this.#hasExit = this.foundExit !== undefined;
    this.#options.watch?.opened(this);
  }

  /** For a session that ended under an earlier daemon: how long its log is. */
  async restoreEnded(state: SessionState & { at: "ended" }, totals: Totals): Promise<void> {
    this.#state = state;
    this.#totals = totals;
    this.storedEnd = await readLogEnd(this.#file);
    this.#goOnFrom(this.storedEnd.tail);
  }

  /** For a session whose log holds more than the daemon remembers: sums up what is in it. */
  restoreTotals(totals: Totals): void {
    this.#totals = totals;
  }

  /**
   * Takes a batch of whole lines of the sidecar. Lines that are already here (after a reconnect) are left out.
   * Throws a RangeError when lines are missing before it: the link must be made anew.
   */
  appendBatch(batch: Buffer): void {
    // Whoever sends on behind an exit is not heard: it is the last line of every log.
    if (this.#hasExit) return;
    const fresh = this.#cutKnown(batch);
    if (!fresh) return;
    const { lines, count } = fresh;
    const lastLineStart = lines.lastIndexOf(newline, lines.length - 2) + 1;
    if (peekType(lines, lastLineStart) !== "exit") {
      this.#take(lines, count);
      return;
    }
    if (lastLineStart > 0) this.#take(lines.subarray(0, lastLineStart), count - 1);
    const exit = parseSidecarLine(lines.toString("utf8", lastLineStart))?.event;
    this.#observer?.onBeforeExit(exit?.type === "exit" ? exit.data : undefined);
    this.#hasExit = true;
    this.#take(lines.subarray(lastLineStart), 1);
  }

  /** Appends events of the daemon's own; resolves when they are in the file. Rejects with `session_ended` behind an `exit`. */
  async appendOwn(events: readonly SessionEvent[]): Promise<void> {
    if (this.#hasExit || !this.#log) throw this.#closedError();
    this.#hasExit = events.at(-1)?.type === "exit";
    const timestamp = Date.now();
    const lines = events.map((event) =>
      encodeDaemonLine(event, { timestamp, sidecarSeq: this.#sidecarSeq, seq: ++this.#seq }),
    );
    for (const event of events) this.#noteOwn(event, timestamp);
    this.#store(Buffer.from(lines.join("")), true);
    await this.#log.stored();
  }

  /** Resolves when all that was appended until now is in the file, where readers find it. */
  async stored(): Promise<void> {
    await this.#log?.stored();
  }

  /** Resolves when the sidecar's lines up to this count are in the file, wherever they are now. Rejects when they never will be. */
  storedUpTo(sidecarSeq: number): Promise<void> {
    if (sidecarSeq <= this.#storedSeq) return Promise.resolve();
    if (!this.#log) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => this.#waiters.push({ sidecarSeq, resolve, reject }));
  }

  /** Recent bytes [from, to), from memory; undefined when they must be read from the file. */
  readRecent(from: number, to: number): Buffer | undefined {
    return this.#ring.read(from, to);
  }

  /** Bytes [from, to) from the file, at any age. */
  readStored(from: number, to: number): Promise<Buffer> {
    return (this.#log ?? this.#file).read(from, to);
  }

  passedOver(at: number): void {
    this.#options.onPassedOver?.(this, at);
  }

  /** The number of the line that ends at this offset. */
  async seqAt(offset: number): Promise<number> {
    return (await readTail((from, to) => this.readStored(from, to), offset)).seq;
  }

  /** Calls `wake` after each change that a reader may want to see; returns the way to stop it. */
  follow(wake: () => void): () => void {
    this.#followers.add(wake);
    return () => {
      this.#followers.delete(wake);
      this.#releaseWhenQuiet();
    };
  }

  get followerCount(): number {
    return this.#followers.size;
  }

  /** The log gets no more lines from us: the session has ended, or a next daemon goes on with it. */
  async seal(): Promise<void> {
    const log = this.#log;
    if (!log) return;
    await log.flushed();
    this.#log = undefined;
    for (const { reject } of this.#waiters.splice(0)) reject(this.#closedError());
    await log.close();
    if (this.#state.at === "ended") this.#options.watch?.ended(this);
    else this.#options.watch?.released(this);
    this.#wake();
    this.#releaseWhenQuiet();
  }

  #pause(change: () => void): void {
    const before = this.isPaused;
    change();
    if (this.isPaused !== before) this.#options.watch?.paused(this, this.isPaused);
    this.#wake();
  }

  #goOnFrom(tail: LogTail): void {
    this.#seq = tail.seq;
    this.#sidecarSeq = tail.sidecarSeq;
    this.#storedSeq = tail.sidecarSeq;
    this.#end = tail.end;
    this.#lastActivity = tail.timestamp;
    this.#ring = new ReplayRing({ capacityMax: this.#options.ringBytesMax, end: tail.end });
  }

  /** What of the batch is new here, and how many lines that is. */
  #cutKnown(batch: Buffer): { lines: Buffer; count: number } | undefined {
    const last = sidecarSeqOf(batch, batch.lastIndexOf(newline, batch.length - 2) + 1, batch.length);
    if (last <= this.#sidecarSeq) return undefined;
    const first = sidecarSeqOf(batch, 0, batch.indexOf(newline));
    if (first > this.#sidecarSeq + 1) {
      throw new RangeError(`the sidecar's lines ${this.#sidecarSeq + 1} to ${first - 1} are missing`);
    }
    let start = 0;
    for (let known = first; known <= this.#sidecarSeq; known++) start = batch.indexOf(newline, start) + 1;
    return { lines: start === 0 ? batch : batch.subarray(start), count: last - this.#sidecarSeq };
  }

  #take(lines: Buffer, count: number): void {
    if (this.#sidecarSeq === 0) this.#options.watch?.begun(this);
    const { bytes, telling } = spliceSeq(lines, this.#seq + 1, count);
    this.#seq += count;
    this.#sidecarSeq += count;
    this.#lastActivity = Date.now();
    this.#store(bytes, this.#observe(lines, telling));
  }

  /** Reads the few lines that say something about the session's life. True when one of them must reach the disk. */
  #observe(batch: Buffer, telling: readonly number[]): boolean {
    let mustSync = false;
    for (const start of telling) {
      const line = parseSidecarLine(batch.toString("utf8", start, batch.indexOf(newline, start)));
      if (!line) continue;
      const { event } = line;
      mustSync ||= mustReachDisk.has(event.type);
      this.#totals = addResult(this.#totals, event);
      this.inputs.note(event);
      this.#observer?.onEvent(event, line.timestamp);
      this.#options.watch?.told(this, event, line.timestamp);
    }
    return mustSync;
  }

  #noteOwn(event: SessionEvent, timestamp: number): void {
    this.#totals = addResult(this.#totals, event);
    this.inputs.note(event);
    if (event.type === "user_message") this.#lastActivity = timestamp;
    this.#options.watch?.told(this, event, timestamp);
  }

  #store(bytes: Buffer, sync: boolean): void {
    this.#storing.push(this.#sidecarSeq);
    this.#log?.append(bytes, { sync });
  }

  #publish(pieces: readonly Buffer[]): void {
    for (const bytes of pieces) {
      this.#end += bytes.length;
      this.#ring.push(bytes);
    }
    const stored = this.#storing.splice(0, pieces.length).at(-1);
    this.#wake();
    if (stored === undefined) return;
    this.#storedSeq = stored;
    this.#observer?.onStored(stored);
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ sidecarSeq }) => sidecarSeq > stored);
    for (const { sidecarSeq, resolve } of waiters) if (sidecarSeq <= stored) resolve();
  }

  /** For what would come behind the exit, or after a daemon has let go of the session: in the log it would be nowhere. */
  #closedError(): AgentdError {
    if (this.#hasExit || !this.isLive)
      return new AgentdError("session_ended", `Cannot add to session "${this.id}": it has ended`);
    return new AgentdError(
      "shutting_down",
      `Cannot add to session "${this.id}" now: this daemon has let go of it. The session goes on; ask the next daemon`,
    );
  }

  #wake(): void {
    for (const wake of this.#followers) wake();
  }

  #releaseWhenQuiet(): void {
    if (this.#state.at === "ended" && this.#followers.size === 0) this.#ring.release();
  }
}

/** Undefined when the line is another one, or none. */
function exitIn(line: Buffer): Exit | undefined {
  if (line.length === 0 || peekType(line, 0) !== "exit") return undefined;
  const known = knownLogLine(line.toString("utf8"));
  return known?.type === "exit" ? { data: known.data, at: known.timestamp } : undefined;
}

/** The count at the end of the line [start, end). Throws a RangeError when it carries none. */
function sidecarSeqOf(batch: Buffer, start: number, end: number): number {
  const seq = tailNumbers(batch.toString("latin1", Math.max(start, end - 80), end))?.sidecarSeq;
  if (seq === undefined) throw new RangeError("a line of the sidecar carries no sidecar_seq");
  return seq;
}

/** An unreadable line stays in the log as it is; it only says nothing to us. */
function parseSidecarLine(text: string): { event: SessionEvent; timestamp: number } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return { event: SessionEvent.parse(value), ...Timestamp.parse(value) };
  } catch {
    return undefined;
  }
}
