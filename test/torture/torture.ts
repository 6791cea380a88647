/**
 * Everything is killed, stopped, filled, torn and cut off at every step while agents count and clients watch; then
 * the logs are held against what was promised. The same seed draws the same accidents and the same requests; how they
 * fall together is the machine's.
 */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { tempDir } from "../support/temp-dir.ts";
import { Actor, type Cast } from "./actor.ts";
import { Caller } from "./caller.ts";
import { checkTale, type Verdict } from "./check-tale.ts";
import { makeClock } from "./clock.ts";
import { drawFault, type FaultKind, Faults } from "./faults.ts";
import { KeptDaemon } from "./kept-daemon.ts";
import { Random } from "./random.ts";
import { canMount, mountSmallDisk } from "./small-disk.ts";
import type { Tale } from "./tale.ts";

export interface TortureOptions {
  seed: number;
  durationMs: number;
  actors: number;
  /** Besides the counting agent: real ones, and how the daemon starts them. */
  extra?: { casts: readonly Cast[]; agents: Record<string, unknown>; env: Record<string, string> };
  /** Keeps the folders of a run that found something. */
  isKept?: boolean;
}

export interface TortureReport {
  seed: number;
  faults: Record<string, number>;
  sessions: number;
  /** Sums over all sessions. */
  total: Omit<Verdict, "problems">;
  reconnects: number;
  daemonStarts: number;
  problems: string[];
  /** Where the logs are, when they were kept. */
  keptAt: string | undefined;
}

const diskMebibytes = 48;
/** Real agents bring homes with them. */
const diskForRealMebibytes = 1024;
const endMs = 90_000;

const counting: Cast = {
  agent: "counts",
  request: { permission_mode: "interactive" },
  promptOf: (random) =>
    `steps=${random.between(1, 4)} words=${random.between(1, 60)} pause=${random.pick([0, 0, 1, 5, 20])} ask=${random.between(0, 1)}`,
};

export async function torture(options: TortureOptions): Promise<TortureReport> {
  const dir = await tempDir();
  const disk = canMount
    ? mountSmallDisk(join(dir.path, "disk"), options.extra ? diskForRealMebibytes : diskMebibytes)
    : undefined;
  const dataDir = join(disk?.path ?? dir.path, "data");
  const journalDir = join(dir.path, "journals");
  mkdirSync(journalDir);
  let isKept = false;
  try {
    const report = await run(options, { dataDir, journalDir, disk, root: dir.path });
    isKept = options.isKept === true && report.problems.length > 0;
    return isKept ? { ...report, keptAt: dir.path } : report;
  } finally {
    if (!isKept) {
      disk?.free();
      disk?.remove();
      await dir.remove();
    }
  }
}

interface Place {
  dataDir: string;
  journalDir: string;
  disk: ReturnType<typeof mountSmallDisk> | undefined;
  root: string;
}

async function run(options: TortureOptions, place: Place): Promise<TortureReport> {
  const { dataDir, journalDir, disk, root } = place;
  const random = new Random(options.seed);
  const clock = makeClock(root);
  const problems: string[] = [];
  const tales: Tale[] = [];
  /** When the disk last had room again; now, while it has none. */
  let roomSince = () => 0;
  const daemon = new KeptDaemon({
    agentd: clock.agentd,
    dataDir,
    config: { agents: { counts: countsAgent(journalDir), ...options.extra?.agents } },
    env: options.extra?.env ?? {},
    onUnasked: (what, startedAt) => {
      // A daemon that cannot make its lock says so and leaves; systemd starts it again.
      const isRefused = what.includes("the disk that holds it is full") && startedAt <= roomSince();
      if (!isRefused) problems.push(what);
    },
  });
  const watched = disk && {
    ...disk,
    fill: () => {
      roomSince = () => performance.now();
      disk.fill();
    },
    free: () => {
      disk.free();
      const now = performance.now();
      roomSince = () => now;
    },
  };
  const faults = new Faults({ dataDir, journalDir, daemon, tales, disk: watched, clock });
  const served = () => daemon.serving();
  const caller = new Caller(served, (step, moment) => faults.onMoment(step, moment));
  daemon.begin();
  await daemon.serving();
  const until = performance.now() + options.durationMs;
  const isOver = () => performance.now() >= until;
  const casts = [counting, ...(options.extra?.casts ?? [])];
  const playing = Array.from({ length: options.actors }, (_, i) => {
    const name = `a${i}`;
    return new Actor({ name, random: random.fork(name), caller, served, casts, tales, isOver }).play();
  });
  const accidents = random.fork("accidents");
  const without: FaultKind[] = disk ? [] : ["fill disk"];
  while (!isOver()) await faults.inject(drawFault(accidents, without));
  await Promise.all(playing);
  await bringToAnEnd({ caller, tales, problems });
  await checkRest({ daemon, dataDir, tales, problems, caller });
  const verdicts = tales.map((tale) => checkTale(tale, { dataDir, journalDir }));
  for (const verdict of verdicts) problems.push(...verdict.problems);
  return {
    seed: options.seed,
    faults: faults.done,
    sessions: tales.filter(({ isCreated }) => isCreated).length,
    total: sum(verdicts),
    reconnects: tales.flatMap(({ watchers }) => watchers).reduce((all, { connections }) => all + connections - 1, 0),
    daemonStarts: daemon.starts,
    problems,
    keptAt: undefined,
  };
}

function countsAgent(journalDir: string): Record<string, unknown> {
  return {
    harness: "claude",
    command: fileURLToPath(new URL("../fixtures/agents/claude-counts.mjs", import.meta.url)),
    env: { COUNTS_JOURNAL: journalDir },
  };
}

interface End {
  caller: Caller;
  tales: readonly Tale[];
  problems: string[];
}

/** Every session that still lives is told to end; each must, and its clients must see it. */
async function bringToAnEnd({ caller, tales, problems }: End): Promise<void> {
  const deadline = performance.now() + endMs;
  for (const tale of tales.filter(({ isCreated }) => isCreated)) {
    await caller.call({ method: "POST", path: `/sessions/${tale.id}/stop`, body: { mode: "now" } });
  }
  for (const tale of tales) {
    for (;;) {
      const view = await caller.call({ method: "GET", path: `/sessions/${tale.id}` });
      // One whose creation was never answered may exist all the same, until somebody looks.
      if (view?.status === 200 && !tale.isCreated) tale.isCreated = true;
      if (view?.status === 404 || view?.body?.status === "completed" || view?.body?.status === "failed") {
        if (view.status === 404 && tale.isCreated && !tale.isDeleteAsked)
          problems.push(`${tale.id}: it does not exist any more, and nobody deleted it`);
        if (view.status === 200 && tale.isDeleted) problems.push(`${tale.id}: it was deleted and is listed`);
        break;
      }
      if (view?.status === 200)
        await caller.call({ method: "POST", path: `/sessions/${tale.id}/stop`, body: { mode: "now" } });
      if (performance.now() > deadline) {
        problems.push(`${tale.id}: it does not end: ${JSON.stringify(view?.body)}`);
        break;
      }
      await sleep(50);
    }
  }
  const watchers = tales.flatMap((tale) => tale.watchers.map((watcher) => ({ tale, watcher })));
  for (const { tale, watcher } of watchers) {
    const isDone = await Promise.race([watcher.over.then(() => true), sleep(10_000, false, { ref: false })]);
    if (!isDone) problems.push(`${tale.id}: a client of it waits for its end for ever`);
    watcher.giveUp();
  }
}

interface Rest {
  daemon: KeptDaemon;
  dataDir: string;
  tales: readonly Tale[];
  problems: string[];
  caller: Caller;
}

/** Nothing is left of what was: no process, no handle, no socket folder, no half-made file. */
async function checkRest({ daemon, dataDir, tales, problems, caller }: Rest): Promise<void> {
  for (const { id } of tales) {
    const gone = await quietly(() => sessionProcesses(id).length === 0);
    if (!gone) problems.push(`${id}: its processes are alive: ${sessionProcesses(id).join(", ")}`);
  }
  const run = join(dataDir, "run");
  const isEmpty = await quietly(() => !existsSync(run) || readdirSync(run).length === 0);
  if (!isEmpty) problems.push(`the run folder holds ${readdirSync(run).join(", ")}`);
  const lived = await daemon.serving();
  const before = await settledHandles(lived.pid);
  const views = await caller.call({ method: "GET", path: "/sessions" });
  daemon.end("SIGKILL", { delayMs: 0 });
  const fresh = await daemon.serving();
  const again = await caller.call({ method: "GET", path: "/sessions" });
  problems.push(...differences(views?.body ?? [], again?.body ?? []));
  const after = await settledHandles(fresh.pid);
  if (before > after + 2) problems.push(`the daemon held ${before} handles when all had ended, a fresh one ${after}`);
  const code = await daemon.stop();
  if (code !== 0) problems.push(`the daemon left with code ${code}`);
  const files = readdirSync(dataDir).filter((name) => /^daemon\.json|\.tmp$/.test(name));
  if (files.length > 0) problems.push(`left in the data dir: ${files.join(", ")}`);
}

type View = Record<string, unknown>;

/** What is listed otherwise after a restart; when something was last heard is not on disk. */
function differences(before: readonly View[], after: readonly View[]): string[] {
  if (before.length !== after.length) return [`${before.length} sessions were listed, after a restart ${after.length}`];
  return before.flatMap((view, i) => {
    const now = after[i] ?? {};
    const names = new Set([...Object.keys(view), ...Object.keys(now)]);
    names.delete("last_activity");
    return [...names]
      .filter((name) => JSON.stringify(view[name]) !== JSON.stringify(now[name]))
      .map(
        (name) =>
          `${view["session_id"]}: ${name} was ${JSON.stringify(view[name])}, after a restart ${JSON.stringify(now[name])}`,
      );
  });
}

/** Open files of a process, once those of the last requests are closed; told by Linux only. */
async function settledHandles(pid: number): Promise<number> {
  if (process.platform !== "linux") return 0;
  let count = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    const now = readdirSync(`/proc/${pid}/fd`).length;
    if (now >= count) break;
    count = now;
    await sleep(100);
  }
  return count;
}

function quietly(condition: () => boolean): Promise<boolean> {
  return eventually(condition, { deadlineMs: 10_000, everyMs: 100 }).then(
    () => true,
    () => false,
  );
}

function sum(verdicts: readonly Verdict[]): Omit<Verdict, "problems"> {
  const total: Omit<Verdict, "problems"> = {
    events: 0,
    numbers: 0,
    lost: 0,
    doubled: 0,
    tail: 0,
    prompts: 0,
    answers: 0,
    outcomes: {},
  };
  for (const { problems: _, outcomes, ...figures } of verdicts) {
    for (const [name, value] of Object.entries(figures) as [Exclude<keyof typeof total, "outcomes">, number][])
      total[name] += value;
    for (const [status, count] of Object.entries(outcomes))
      total.outcomes[status] = (total.outcomes[status] ?? 0) + count;
  }
  return total;
}
