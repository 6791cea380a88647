/**
 * Everything is killed, stopped, filled, torn and cut off at every step while agents count and clients watch; then
 * the logs are held against what was promised. The same seed draws the same accidents and the same requests; how they
 * fall together is the machine's.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { agentdPath } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { unlessAborted } from "../support/until-signalled.ts";
import { Actor, type Cast } from "./actor.ts";
import { bringToAnEnd, checkRest, endAll } from "./aftermath.ts";
import { Caller, steps } from "./caller.ts";
import { type ChatVerdict, checkChat, settleChats } from "./chat-aftermath.ts";
import { Chatter } from "./chatter.ts";
import { checkTale, type Verdict } from "./check-tale.ts";
import { makeClock } from "./clock.ts";
import { drawFault, Faults, type Weights } from "./faults.ts";
import { Insistence, type InsistenceFigures } from "./insistence.ts";
import { KeptDaemon } from "./kept-daemon.ts";
import { Random } from "./random.ts";
import { canMount, mountSmallDisk } from "./small-disk.ts";
import { StepDeck } from "./step-deck.ts";
import type { Tale } from "./tale.ts";

export interface TortureOptions {
  seed: number;
  durationMs: number;
  actors: number;
  /** Those who talk in chats, besides; one for four actors when absent. With none a seed draws what it drew before there were any. */
  chatters?: number;
  /** Besides the counting agent: real ones, and how the daemon starts them. */
  extra?: { casts: readonly Cast[]; agents: Record<string, unknown>; env: Record<string, string> };
  /** Ends the run, and all that it started, in the midst of it. */
  signal?: AbortSignal;
  /** Faults that are to be drawn more often than usual, or never. */
  weights?: Weights;
  /** The build that is tried; the one under test when absent. */
  dist?: string;
  /** Keeps the folders of a run that found something. */
  isKept?: boolean;
}

export interface TortureReport {
  seed: number;
  faults: Record<string, number>;
  /** Without one no disk was filled: it is mounted, which needs root on Linux. */
  hasDisk: boolean;
  /** How often somebody was ended at each moment of each step. */
  steps: Record<string, number>;
  keys: InsistenceFigures;
  sessions: number;
  /** Sums over all sessions. */
  total: Omit<Verdict, "problems">;
  /** The same over those of each agent. */
  agents: Record<string, Omit<Verdict, "problems">>;
  /** The same over all chats. */
  chats: Omit<ChatVerdict, "problems">;
  reconnects: number;
  daemonStarts: number;
  problems: string[];
  /** Where the logs are, when they were kept. */
  keptAt: string | undefined;
}

/** Small enough to be filled in a moment, and room for all the logs of a run. */
const diskMebibytes = (durationMs: number) => 48 + Math.ceil((durationMs / 60_000) * 40);
/** Real agents bring homes with them. */
const diskForRealMebibytes = 1024;

const counting: Cast = {
  agent: "counts",
  request: { permission_mode: "interactive" },
  promptOf: (random) =>
    random.chance(0.06)
      ? // More than a segment's worth, so that what is acknowledged is given back and must be in the log.
        "steps=2 words=3000 pause=0 ask=0"
      : `steps=${random.between(1, 4)} words=${random.between(1, 60)} pause=${random.pick([0, 0, 1, 5, 20])} ask=${random.between(0, 1)} child=${random.chance(0.2) ? 1 : 0}`,
};

export async function torture(options: TortureOptions): Promise<TortureReport> {
  const dir = await tempDir();
  const disk = canMount
    ? mountSmallDisk(join(dir.path, "disk"), options.extra ? diskForRealMebibytes : diskMebibytes(options.durationMs))
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
      await disk?.remove();
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
  const clock = makeClock(root, options.dist ?? dirname(agentdPath));
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
  const deck = new StepDeck(options.chatters === 0 ? steps.filter((step) => step !== "message") : steps);
  const served = () => daemon.serving();
  const caller: Caller = new Caller(served, (step, moment) => faults.onMoment(step, moment));
  const faults = new Faults({ dataDir, journalDir, daemon, tales, disk: watched, clock, steps: deck, caller });
  daemon.begin();
  try {
    const played = play({ options, place, random, daemon, faults, steps: deck, caller, tales, problems });
    return await unlessAborted(played, options.signal);
  } finally {
    await daemon.stop();
    // Found or not, nothing of it goes on.
    endAll(tales, dataDir);
  }
}

interface Stage {
  options: TortureOptions;
  place: Place;
  random: Random;
  daemon: KeptDaemon;
  faults: Faults;
  steps: StepDeck;
  caller: Caller;
  tales: Tale[];
  problems: string[];
}

async function play({
  options,
  place,
  random,
  daemon,
  faults,
  steps: deck,
  caller,
  tales,
  problems,
}: Stage): Promise<TortureReport> {
  const { dataDir, journalDir, disk } = place;
  const served = () => daemon.serving();
  await daemon.serving();
  const until = performance.now() + options.durationMs;
  const isOver = () => performance.now() >= until;
  const isClosed = (sessionId: string, requestId: string) =>
    readFileSync(join(dataDir, "sessions", sessionId, "events.ndjson"), "latin1").includes(
      `{"type":"input_resolved","data":{"request_id":"${requestId}"`,
    );
  const insistence = new Insistence(caller);
  const chatters = Array.from({ length: options.chatters ?? Math.max(1, Math.floor(options.actors / 4)) }, (_, i) => {
    const name = `c${i}`;
    return new Chatter({ name, random: random.fork(name), caller, insistence, tales, isOver });
  });
  for (const chatter of chatters) await chatter.begin();
  const casts = [counting, ...(options.extra?.casts ?? [])];
  const playing = Array.from({ length: options.actors }, (_, i) => {
    const name = `a${i}`;
    return new Actor({
      name,
      random: random.fork(name),
      caller,
      insistence,
      served,
      casts,
      tales,
      isOver,
      isClosed,
    }).play();
  });
  const played = Promise.all([...playing, ...chatters.map((chatter) => chatter.play())]);
  // It is waited for below; what goes wrong before then must not end the process, which has a daemon to stop.
  played.catch(() => undefined);
  const accidents = random.fork("accidents");
  while (!isOver())
    await faults.inject(drawFault(accidents, { steps: deck, hasDisk: disk !== undefined, unusual: options.weights }));
  await played;
  const chats = chatters.map(({ chat }) => chat);
  await settleChats(chats, { caller, tales, problems });
  await bringToAnEnd({ caller, insistence, tales, problems });
  await checkRest({ daemon, dataDir, tales, problems, caller });
  const verdicts = tales.map((tale) => ({
    agent: tale.agent,
    ...checkTale(tale, { dataDir, journalDir }, casts.find(({ agent }) => agent === tale.agent)?.heard),
  }));
  const ofChats = chats.map((chat) => checkChat(chat, { dataDir, journalDir }));
  // What the logs say comes first: it names the fault, of which the rest is what follows.
  problems.unshift(...[...verdicts, ...ofChats].flatMap((verdict) => verdict.problems));
  return {
    seed: options.seed,
    faults: faults.done,
    hasDisk: disk !== undefined,
    steps: deck.hits,
    keys: insistence.figures,
    sessions: tales.filter(({ isCreated }) => isCreated).length,
    total: sum(verdicts),
    agents: Object.fromEntries(
      casts.map((cast) => [cast.agent, sum(verdicts.filter(({ agent }) => agent === cast.agent))]),
    ),
    chats: sumChats(ofChats),
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

function sumChats(verdicts: readonly ChatVerdict[]): TortureReport["chats"] {
  const total: TortureReport["chats"] = { accepted: 0, lost: 0, doubled: 0, replaced: 0, outcomes: {} };
  for (const { accepted, lost, doubled, replaced, outcomes } of verdicts) {
    total.accepted += accepted;
    total.lost += lost;
    total.doubled += doubled;
    total.replaced += replaced;
    for (const [status, count] of Object.entries(outcomes))
      total.outcomes[status] = (total.outcomes[status] ?? 0) + count;
  }
  return total;
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
  const names = ["events", "numbers", "lost", "doubled", "tail", "prompts", "answers"] as const;
  for (const verdict of verdicts) {
    const { outcomes } = verdict;
    for (const name of names) total[name] += verdict[name];
    for (const [status, count] of Object.entries(outcomes))
      total.outcomes[status] = (total.outcomes[status] ?? 0) + count;
  }
  return total;
}
