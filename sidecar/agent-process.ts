/**
 * An agent CLI as a process of its own: lines out, lines in, its end as a value, and nothing of it left behind.
 * Order at the end: the process exits, what it started is killed, its pipes are read to their ends, `ended` resolves.
 */
import type { Readable, Writable } from "node:stream";
import { execa } from "execa";
import { type Cgroup, ensureCgroup } from "../src/process/cgroup.ts";
import { type ProcessIdentity, startTimeOf } from "../src/process/identity.ts";
import { oomKillCount } from "../src/process/oom.ts";
import { asExpendable } from "../src/process/oom-score.ts";
import { marked, type SessionMarks } from "../src/process/session-marks.ts";
import { type AskStep, defaultStopWaits, killTree, type StopOutcome, stopTree } from "../src/process/stop-ladder.ts";
import type { SidecarLimits } from "../src/protocol/bootstrap.ts";
import { LineSplitter } from "../src/protocol/ndjson.ts";
import { BlobStore, type OversizedLine } from "./blob-store.ts";
import type { HarnessHost } from "./harness.ts";
import { signalNumber, signalOf } from "./signal-number.ts";
import { spawnFailure, startableProgram } from "./spawn-failure.ts";

/** What one read of a pipe brought. */
export interface LineBatch {
  /** A line that was too long for memory; it came before `lines`. */
  oversized?: OversizedLine;
  /** Whole lines, without their newlines; empty ones included. */
  lines: string[];
  /** The stream ended inside the last of these. */
  isTorn: boolean;
}

export interface AgentProcessOptions {
  /** Program and arguments. */
  command: readonly string[];
  /** The whole environment; only the session's marks are added. */
  env: Readonly<Record<string, string>>;
  workDir: string;
  marks: SessionMarks;
  /** Blobs go below it. */
  sessionDir: string;
  limits: SidecarLimits;
  /** What it has for a process. Blobs are redacted here; lines are told as they are, and read before anything is taken out. */
  host: Pick<HarnessHost, "apart" | "redaction" | "contain">;
  /** Awaited before the pipe is read again. Must not reject: it has nowhere to go. */
  onLines(batch: LineBatch): Promise<void>;
  onStderrLines(batch: LineBatch): Promise<void>;
}

export interface ProcessExit {
  /** The exit code; 128 + number for a death by signal. */
  code: number;
  signal?: NodeJS.Signals;
  /** It was killed, and the kernel has killed for want of memory while it ran. */
  isOutOfMemory?: true;
}

export interface AgentProcess {
  readonly pid: number;
  /** Resolves as soon as the process itself is gone. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Resolves when it is gone, all that it started is gone, and every line was taken. Never rejects. */
  readonly ended: Promise<ProcessExit>;
  /** The last 8 KiB of stderr. */
  readonly stderrTail: string;
  /** Writes a line to stdin. Throws when the agent has stopped reading and too much waits, or stdin was ended. */
  write(line: string): void;
  /** Ends stdin after what was written. */
  endInput(): void;
  /** To the agent and the rest of its process group; false when it is gone. */
  signal(signal: NodeJS.Signals): boolean;
  /** No further read of its pipes until `resume`. */
  pause(): void;
  resume(): void;
  /**
   * Asks (by default by ending stdin), terminates, kills: the agent and everything it started. Resolves when nothing is
   * left; its last lines may still be on their way, see `ended`. Called again, it joins the stop that is under way.
   */
  stop(asks?: readonly AskStep[]): Promise<StopOutcome>;
}

const inputBytesMax = 16 * 1024 * 1024;
const stderrTailBytes = 8 * 1024;
/** A pipe that stays silent and open this long after the whole tree is gone is held by a stranger. */
const drainSilenceMs = 2_000;
/**
 * One who goes on writing is listened to for so long. What the tree wrote was in the pipe when it went: from then on the
 * pipe has ended as soon as it is empty for a moment, or when more has come than it can have held.
 */
const drainMs = 5_000;
/** Node's pipes are sockets, which hold 208 KiB, or some MiB where the system was told so; others hold 1 MiB at most. */
const pipeBytesMax = 4 * 1024 * 1024;
const drainLookMs = 250;

/** Starts the agent. Rejects with a sentence for people when it cannot be started. */
export async function startAgentProcess(options: AgentProcessOptions): Promise<AgentProcess> {
  const { marks } = options;
  const cgroup = ensureCgroup(marks, options.limits.resources);
  const oomKills = () => [cgroup?.oomKills(), oomKillCount()].join();
  const oomKillsBefore = oomKills();
  const { subprocess, pid, exited } = await spawn({ ...options, command: await commandOf(options) }, cgroup);
  const started = startTimeOf(pid);
  const roots: ProcessIdentity[] = started === undefined ? [] : [{ pid, started }];
  const tree = { ...marks, roots, apart: options.host.apart, ...(cgroup ? { cgroup } : {}) };
  const gate = readGate();
  const tail = stderrTailKeeper();
  const { sessionDir } = options;
  const { redaction } = options.host;
  const blobs = new BlobStore({ sessionDir, blobBytesMax: options.limits.blobBytesMax, redaction });
  const readers = [
    readLines({ ...options, stream: "stdout", pipe: subprocess.stdout, blobs, gate }),
    readLines({
      ...options,
      stream: "stderr",
      pipe: subprocess.stderr,
      blobs,
      gate,
      onChunk: tail.add,
      onLines: options.onStderrLines,
    }),
  ];
  const input = inputWriter(subprocess.stdin, options.command[0] ?? "");
  let stopping: Promise<StopOutcome> | undefined;

  const finish = async (): Promise<ProcessExit> => {
    const exit = await exited;
    // Before the group goes with the last of its members.
    const isOutOfMemory = exit.signal === "SIGKILL" && oomKills() !== oomKillsBefore;
    // Whoever stops it has a ladder under way, which comes to the same end.
    await killTree(tree);
    await Promise.all(readers.map((reader) => reader.drain()));
    return isOutOfMemory ? { ...exit, isOutOfMemory } : exit;
  };

  return {
    pid,
    exited,
    ended: finish(),
    get stderrTail() {
      return tail.text();
    },
    write: input.write,
    endInput: input.end,
    signal: (signal) => signalGroup(roots[0], signal),
    pause: gate.close,
    resume: gate.open,
    stop: (asks = [{ act: input.end, waitMs: defaultStopWaits.inputEndMs }]) => {
      stopping ??= stopTree({ ...tree, asks });
      return stopping;
    },
  };
}

/** Its program has to be there before a sandbox is put around it: that could not say what is wrong. */
async function commandOf(options: AgentProcessOptions): Promise<readonly string[]> {
  const { contain } = options.host;
  if (!contain) return options.command;
  const [, ...args] = options.command;
  return contain({ ...options, command: [await startableProgram(options), ...args] });
}

/** execa's own buffering, encodings and clean-up are off: the pipes are read here, and the agent outlives signals to us. */
function start(options: AgentProcessOptions) {
  const [file = "", ...args] = options.command;
  return execa(file, args, {
    cwd: options.workDir,
    env: marked(options.env, options.marks),
    extendEnv: false,
    detached: true,
    cleanup: false,
    reject: false,
    buffer: false,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** What has limits is born with them: we are in its group ourselves for that moment, and where it is easier to spare than we. */
function startInside(options: AgentProcessOptions, cgroup: Cgroup | undefined) {
  return asExpendable(() => (cgroup && hasLimits(options) ? cgroup.inside(() => start(options)) : start(options)));
}

function hasLimits({ limits }: AgentProcessOptions): boolean {
  return Object.values(limits.resources ?? {}).some((value) => value !== undefined);
}

async function spawn(options: AgentProcessOptions, cgroup: Cgroup | undefined) {
  const subprocess = startInside(options, cgroup);
  const { pid } = subprocess;
  if (pid === undefined) {
    const { cause, originalMessage } = await subprocess;
    cgroup?.remove();
    throw await spawnFailure(options, cause ?? new Error(originalMessage ?? "it could not be started"));
  }
  // Straight after the spawn: what it forked before this is still found by its marker.
  if (!hasLimits(options)) cgroup?.add(pid);
  // Otherwise execa would read the pipes to nowhere before the first reader is there.
  subprocess.stdout.pause();
  subprocess.stderr.pause();
  const exited = new Promise<ProcessExit>((resolve) => {
    subprocess.once("exit", (code: number | null, signal: NodeJS.Signals | null) => {
      // A sandbox tells of the agent's death by signal as shells do.
      const death = signal ?? (options.host.contain ? signalOf(code ?? 0) : undefined);
      resolve(death === undefined ? { code: code ?? 1 } : { code: 128 + signalNumber(death), signal: death });
    });
  });
  return { subprocess, pid, exited };
}

function signalGroup(leader: ProcessIdentity | undefined, signal: NodeJS.Signals): boolean {
  // The group keeps the leader's pid, so the leader has to be alive for the number to be known to be ours.
  if (!leader || startTimeOf(leader.pid) !== leader.started) return false;
  try {
    return process.kill(-leader.pid, signal);
  } catch {
    return false;
  }
}

interface ReaderOptions {
  stream: OversizedLine["stream"];
  pipe: Readable;
  blobs: BlobStore;
  limits: SidecarLimits;
  gate: ReadGate;
  onChunk?: (chunk: Buffer) => void;
  onLines(batch: LineBatch): Promise<void>;
}

/**
 * Reads a pipe to its end, one awaited call a read. `drain` waits for the end, but not for a stranger who holds the pipe, be
 * he silent or not: it begins when nobody else can write to it any more.
 */
function readLines(options: ReaderOptions): { drain(): Promise<void> } {
  const { pipe, gate } = options;
  let oversized: OversizedLine | undefined;
  let waitingSince: number | undefined;
  let takenBytes = 0;
  const splitter = new LineSplitter({
    lineBytesMax: options.limits.lineBytesMax,
    onOverflow: () => options.blobs.open(options.stream, (line) => (oversized = line)),
  });
  const deliver = async (lines: string[], isTorn: boolean) => {
    if (lines.length === 0 && !oversized) return;
    const batch: LineBatch = oversized ? { oversized, lines, isTorn } : { lines, isTorn };
    oversized = undefined;
    await options.onLines(batch);
  };
  const read = async () => {
    waitingSince = performance.now();
    await eachChunk(pipe, async (chunk) => {
      waitingSince = undefined;
      takenBytes += chunk.length;
      options.onChunk?.(chunk);
      await deliver(splitter.push(chunk), false);
      if (gate.closed) await gate.closed;
      waitingSince = performance.now();
    });
    waitingSince = undefined;
    const torn = splitter.end();
    await deliver(torn === undefined ? [] : [torn], true);
  };
  const done = read();
  /** Node looks at its pipes between a timer, from which this is called, and what it does at once after that. */
  const isEmpty = async () => {
    const before = { waitingSince, takenBytes };
    await new Promise((resolve) => setImmediate(resolve));
    return before.waitingSince !== undefined && waitingSince !== undefined && takenBytes === before.takenBytes;
  };
  const drain = async () => {
    const drainingSince = performance.now();
    const takenBefore = takenBytes;
    const isStrangers = async () => {
      const now = performance.now();
      if (waitingSince !== undefined && now - Math.max(waitingSince, drainingSince) > drainSilenceMs) return true;
      if (now - drainingSince < drainMs) return false;
      return takenBytes - takenBefore > pipeBytesMax || (await isEmpty());
    };
    const timer = setInterval(async () => {
      if (await isStrangers()) pipe.destroy();
    }, drainLookMs);
    await done;
    clearInterval(timer);
  };
  return { drain };
}

/**
 * Calls `take` for each chunk, one after the other, until the pipe has ended. One that breaks or is destroyed has ended: what
 * was read before still counts. Node's own iterator of streams takes several times as long for a lone line.
 */
async function eachChunk(pipe: Readable, take: (chunk: Buffer) => Promise<void>): Promise<void> {
  let wake: () => void = () => undefined;
  for (const event of ["readable", "end", "error", "close"]) pipe.on(event, () => wake());
  while (!pipe.readableEnded && !pipe.destroyed) {
    const chunk: unknown = pipe.read();
    if (Buffer.isBuffer(chunk)) await take(chunk);
    else if (!pipe.readableEnded && !pipe.destroyed)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  }
}

interface ReadGate {
  closed: Promise<void> | undefined;
  close(): void;
  open(): void;
}

function readGate(): ReadGate {
  let release: () => void = () => undefined;
  const gate: ReadGate = {
    closed: undefined,
    close: () => {
      gate.closed ??= new Promise((resolve) => {
        release = resolve;
      });
    },
    open: () => {
      gate.closed = undefined;
      release();
    },
  };
  return gate;
}

function inputWriter(stdin: Writable, name: string): { write(line: string): void; end(): void } {
  // An agent that has gone cannot be written to; its end is reported by `exited`, so the broken pipe says nothing new.
  stdin.on("error", () => undefined);
  return {
    write: (line) => {
      if (stdin.writableEnded) throw new Error(`Cannot write to ${name}: its input was ended, it takes nothing more`);
      if (stdin.destroyed) throw new Error(`Cannot write to ${name}: it has closed its input or ended`);
      if (stdin.writableLength + line.length > inputBytesMax) {
        throw new Error(
          `Cannot write to ${name}: it does not read its input, and ${stdin.writableLength} bytes wait already; try again when it has read them`,
        );
      }
      stdin.write(`${line}\n`);
    },
    end: () => {
      stdin.end();
    },
  };
}

function stderrTailKeeper(): { add(chunk: Buffer): void; text(): string } {
  let kept = Buffer.alloc(0);
  return {
    add: (chunk) => {
      const all = Buffer.concat([kept, chunk.subarray(-stderrTailBytes)]);
      // A copy, so that a small tail does not hold on to a large chunk.
      kept = Buffer.from(all.subarray(-stderrTailBytes));
    },
    text: () => kept.toString("utf8"),
  };
}
