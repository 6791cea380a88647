/** One program of the operator's as a process: its lines out, its end as a value, and nothing of its family left behind. */
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { ensureCgroup } from "../src/process/cgroup.ts";
import { type ProcessIdentity, signalProcess, startTimeOf } from "../src/process/identity.ts";
import { marked, type SessionMarks } from "../src/process/session-marks.ts";
import { findFamily } from "../src/process/tree.ts";
import { LineSplitter } from "../src/protocol/ndjson.ts";

export interface HookStart {
  /** Program and arguments. */
  command: readonly string[];
  /** The whole environment; only the session's marks are added. */
  env: Readonly<Record<string, string>>;
  workDir: string;
  marks: SessionMarks;
  /** Awaited before the pipe is read on. */
  onLine(stream: "stdout" | "stderr", text: string): Promise<void>;
}

export interface HookEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface HookProcess {
  readonly identity: ProcessIdentity | undefined;
  /** Resolves when it is gone and its last lines were taken. Never rejects. */
  readonly ended: Promise<HookEnd>;
  /** SIGTERM, and SIGKILL after the grace, to it and what it started. Resolves when they are gone. */
  end(graceMs: number): Promise<void>;
}

const lineBytesMax = 64 * 1024;
/** What it leaves behind may hold its pipes. */
const lastLinesMs = 1_000;
const killMs = 10_000;
const pollMs = 25;

/** Rejects with a sentence for people when it cannot be started. */
export async function startHook(start: HookStart): Promise<HookProcess> {
  const cgroup = ensureCgroup(start.marks);
  const [file = "", ...args] = start.command;
  const subprocess = execa(file, args, {
    cwd: start.workDir,
    env: marked(start.env, start.marks),
    extendEnv: false,
    detached: true,
    cleanup: false,
    reject: false,
    buffer: false,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { pid } = subprocess;
  if (pid === undefined) {
    const { originalMessage } = await subprocess;
    throw new Error(`cannot start ${JSON.stringify(file)}: ${originalMessage ?? "no reason given"}`);
  }
  cgroup?.add(pid);
  const started = startTimeOf(pid);
  const roots: ProcessIdentity[] = started === undefined ? [] : [{ pid, started }];
  const exited = new Promise<HookEnd>((resolve) => {
    subprocess.once("exit", (code: number | null, signal: NodeJS.Signals | null) => resolve({ code, signal }));
  });
  const pipes = [subprocess.stdout, subprocess.stderr];
  const read = Promise.all([
    readLines(subprocess.stdout, (text) => start.onLine("stdout", text)),
    readLines(subprocess.stderr, (text) => start.onLine("stderr", text)),
  ]);
  const finish = async () => {
    const end = await exited;
    await Promise.race([read, sleep(lastLinesMs)]);
    for (const pipe of pipes) pipe.destroy();
    return end;
  };
  return { identity: roots[0], ended: finish(), end: (graceMs) => endFamily(roots, graceMs) };
}

async function readLines(pipe: NodeJS.ReadableStream, onLine: (text: string) => Promise<void>): Promise<void> {
  const splitter = new LineSplitter({
    lineBytesMax,
    onOverflow: () => {
      let head = Buffer.alloc(0);
      return {
        write: (bytes) => {
          if (head.length === 0) head = Buffer.from(bytes.subarray(0, 200));
        },
        end: () => void onLine(`${head.toString("utf8")}… (a line of more than ${lineBytesMax} bytes)`),
      };
    },
  });
  try {
    for await (const chunk of pipe) {
      if (!Buffer.isBuffer(chunk)) continue;
      for (const line of splitter.push(chunk)) await onLine(line);
    }
    const torn = splitter.end();
    if (torn !== undefined) await onLine(torn);
  } catch {
    // Destroyed because somebody else holds it: what was read before counts.
  }
}

async function endFamily(roots: readonly ProcessIdentity[], graceMs: number): Promise<void> {
  let left = findFamily(roots);
  const isGoneBy = async (deadline: number, act?: () => void) => {
    while (left.length > 0 && performance.now() < deadline) {
      act?.();
      await sleep(pollMs);
      left = findFamily(left);
    }
    return left.length === 0;
  };
  if (graceMs > 0) {
    for (const target of left) signalProcess(target, "SIGTERM");
    if (await isGoneBy(performance.now() + graceMs)) return;
  }
  await isGoneBy(performance.now() + killMs, () => {
    for (const target of left) signalProcess(target, "SIGKILL");
  });
}
