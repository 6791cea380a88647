/** The accidents: which, when, at which step. All of it is drawn from the seed before it happens. */
import { appendFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sessionProcesses } from "../support/processes.ts";
import { sidecarOf } from "../support/started.ts";
import { type Caller, type Moment, moments, type Step } from "./caller.ts";
import type { Clock } from "./clock.ts";
import { journalOf } from "./journal.ts";
import type { KeptDaemon } from "./kept-daemon.ts";
import type { Random } from "./random.ts";
import type { SmallDisk } from "./small-disk.ts";
import { spooledUpTo } from "./spooled.ts";
import type { StepDeck, StepMoment } from "./step-deck.ts";
import type { Tale } from "./tale.ts";

const weights = {
  "kill daemon": 6,
  "kill daemon as it starts": 2,
  "daemon leaves": 3,
  "stop daemon": 2,
  "daemon leaves, the next comes at once": 2,
  "kill sidecar": 3,
  "end sidecar": 2,
  "hang up sidecar": 1,
  "stop sidecar": 2,
  "kill agent": 3,
  "stop agent": 2,
  "kill daemon and sidecar": 3,
  "kill daemon and end sidecar": 2,
  "stop sidecar, kill daemon, end sidecar": 3,
  "kill daemon and agent": 1,
  "kill all three": 1,
  "drop clients": 5,
  "slow clients": 2,
  "fill disk": 2,
  "fill disk and kill daemon": 1,
  "fill disk, kill daemon and sidecar": 1,
  "fill disk and end sidecar": 1,
  // It takes its time, so it comes only where it is asked for.
  "fill disk and stop session": 0,
  "jump clock": 3,
  "tear log": 3,
} as const;
export type FaultKind = keyof typeof weights;

export interface Fault {
  kind: FaultKind;
  gapMs: number;
  /** Waits for this step; absent: whatever is going on. */
  at?: StepMoment;
  /** After that, exactly. */
  delayUs: number;
  /** How long it lasts, or until the daemon is started again. */
  holdMs: number;
  /** Which of those there are, from 0 to 1. */
  which: number;
  jumpMs: number;
}

/** Longer than what a stop may take before the daemon ends a sidecar by force. */
const stopHoldMs = 17_000;
/** No wait for a step may hold up the others for longer. */
const stepWaitMs = 2500;
const stepPreferredMs = 400;
const fullBeforeMs = 150;
/** What a sidecar takes to end its agent. */
const sidecarEndMs = 300;
/** In which an agent fills the pipe of a sidecar that stands still, and what the log has is acknowledged to it. */
const standMs = 80;
/** How long an agent that prints is waited for, and when a log has grown just now. */
const printingWaitMs = 1500;
const justNowMs = 10;

/** Those that nobody survives, or that need to be at a step to mean anything. */
const isDeadly = (kind: FaultKind) => /kill|leaves|end sidecar/.test(kind);

/** How often each is drawn, where that is not as usual. */
export type Weights = Partial<Record<FaultKind, number>>;

export function drawFault(
  random: Random,
  { steps: left, hasDisk, unusual = {} }: { steps: StepDeck; hasDisk: boolean; unusual?: Weights | undefined },
): Fault {
  const without = hasDisk ? [] : Object.keys(weights).filter((kind) => kind.startsWith("fill"));
  const chosen = { ...weights, ...unusual, ...Object.fromEntries(without.map((kind) => [kind, 0])) };
  const kind = random.weighted<FaultKind>(chosen);
  const isAtStep = isDeadly(kind) ? random.chance(0.8) : random.chance(0.3);
  return {
    kind,
    gapMs: random.between(20, 500),
    ...(isAtStep
      ? { at: isDeadly(kind) ? left.draw(random) : { step: random.pick(left.steps), moment: random.pick(moments) } }
      : {}),
    delayUs: random.chance(0.3) ? 0 : random.between(0, 4000),
    holdMs: random.chance(0.5) ? random.between(0, 200) : random.between(200, 1500),
    which: random.fraction(),
    jumpMs: (random.chance(0.5) ? 1 : -1) * random.between(1, random.chance(0.5) ? 60_000 : 48 * 3_600_000),
  };
}

export interface World {
  dataDir: string;
  journalDir: string;
  daemon: KeptDaemon;
  tales: readonly Tale[];
  disk: SmallDisk | undefined;
  clock: Clock;
  steps: StepDeck;
  caller: Pick<Caller, "call">;
}

export class Faults {
  readonly #world: World;
  #armed: { wants(at: StepMoment): boolean; act(at: StepMoment): void } | undefined;
  /** How often each was done, not merely planned. */
  readonly done: Record<string, number> = {};

  constructor(world: World) {
    this.#world = world;
  }

  /** Called in the midst of a request: kills there and then when that is what is due. */
  onMoment(step: Step, moment: Moment): void {
    const armed = this.#armed;
    if (!armed?.wants({ step, moment })) return;
    this.#armed = undefined;
    armed.act({ step, moment });
  }

  /** Does it, and mends what it lasts for. */
  async inject(fault: Fault): Promise<void> {
    await sleep(fault.gapMs);
    // One that never gets as far as serving is only killed over and over; that has a kind of its own.
    if (/daemon|three|log|stop session/.test(fault.kind)) await this.#world.daemon.serving();
    let undo: (() => Promise<void> | void) | undefined;
    await this.#whenDue(fault, () => {
      undo = this.#act(fault);
    });
    await undo?.();
  }

  /** At the step that it waits for; after a while at any that is still to come up; at last whatever is going on. */
  #whenDue(fault: Fault, act: () => void): Promise<void> {
    const { at, delayUs, kind } = fault;
    const begunAt = performance.now();
    return new Promise<void>((resolve) => {
      const now = (where: StepMoment | undefined) => {
        clearTimeout(timer);
        const due = performance.now() + delayUs / 1000;
        while (performance.now() < due);
        this.#count(where ? "at a step that was waited for" : "at some time");
        if (where && isDeadly(kind)) this.#world.steps.note(where);
        act();
        resolve();
      };
      const timer = setTimeout(() => now(undefined), at ? stepWaitMs : 0);
      const wants = (seen: StepMoment) => {
        if (seen.step === at?.step && seen.moment === at.moment) return true;
        return isDeadly(kind) && performance.now() - begunAt > stepPreferredMs && this.#world.steps.wants(seen);
      };
      if (at) this.#armed = { wants, act: now };
    }).then(() => {
      this.#armed = undefined;
    });
  }

  #count(what: string): void {
    this.done[what] = (this.done[what] ?? 0) + 1;
  }

  /** Returns what ends it. */
  #act(fault: Fault): (() => Promise<void> | void) | undefined {
    const { daemon, clock } = this.#world;
    const { kind, holdMs } = fault;
    this.#count(kind);
    const next = { delayMs: holdMs };
    const hold = () => sleep(holdMs);
    switch (kind) {
      case "kill daemon":
        daemon.end("SIGKILL", next);
        return undefined;
      case "kill daemon as it starts":
        daemon.end("SIGKILL", { delayMs: 0 });
        return () => this.#killAgain(fault);
      case "daemon leaves":
        daemon.end("SIGTERM", next);
        return undefined;
      case "stop daemon":
        return this.#hold([daemon.pid], hold);
      case "daemon leaves, the next comes at once":
        daemon.end("SIGTERM", { delayMs: 0 });
        return undefined;
      case "kill sidecar":
        this.#killSidecar(fault);
        return undefined;
      case "end sidecar":
        signal(this.#sidecar(fault)?.pid, "SIGTERM");
        return undefined;
      case "hang up sidecar":
        signal(this.#sidecar(fault)?.pid, "SIGHUP");
        return undefined;
      case "stop sidecar":
        return this.#hold([this.#sidecar(fault)?.pid], hold);
      case "kill agent":
        signal(this.#agent(fault), "SIGKILL");
        return undefined;
      case "stop agent":
        return this.#hold([this.#agent(fault)], hold);
      case "kill daemon and sidecar":
        daemon.end("SIGKILL", next);
        this.#killSidecar(fault);
        return undefined;
      case "kill daemon and end sidecar":
        daemon.end("SIGKILL", { delayMs: holdMs + sidecarEndMs });
        signal(this.#sidecar(fault)?.pid, "SIGTERM");
        return undefined;
      case "stop sidecar, kill daemon, end sidecar":
        return () => this.#endBehindAck(fault);
      case "kill daemon and agent":
        daemon.end("SIGKILL", next);
        signal(this.#agent(fault), "SIGKILL");
        return undefined;
      case "kill all three": {
        const agent = this.#agent(fault);
        daemon.end("SIGKILL", next);
        this.#killSidecar(fault);
        signal(agent, "SIGKILL");
        return undefined;
      }
      case "drop clients":
        for (const { watchers } of this.#world.tales) for (const watcher of watchers) watcher.drop();
        return undefined;
      case "slow clients": {
        const watchers = this.#world.tales.flatMap(({ watchers }) => watchers);
        for (const watcher of watchers) watcher.pause(true);
        return async () => {
          await hold();
          for (const watcher of watchers) watcher.pause(false);
        };
      }
      case "fill disk":
        return this.#fillDisk(hold);
      case "fill disk and kill daemon":
        // The next one finds it full too, or comes when there is room again.
        return this.#fillDisk(hold, () => daemon.end("SIGKILL", { delayMs: fault.jumpMs % 2 === 0 ? 0 : holdMs }));
      case "fill disk, kill daemon and sidecar":
        return this.#fillDisk(hold, () => {
          daemon.end("SIGKILL", next);
          this.#killSidecar(fault);
        });
      case "fill disk and end sidecar":
        return this.#fillDisk(hold, () => signal(this.#sidecar(fault)?.pid, "SIGTERM"));
      case "fill disk and stop session":
        return () => this.#stopOnFullDisk(fault);
      case "jump clock":
        clock.jump(fault.jumpMs);
        return hold;
      case "tear log":
        daemon.end("SIGKILL", { ...next, beforeStart: () => this.#tear(fault) });
        return undefined;
      default:
        return kind satisfies never;
    }
  }

  /** What is done while it is full is done once agents have met it. */
  #fillDisk(hold: () => Promise<unknown>, meanwhile?: () => void): () => Promise<void> {
    this.#world.disk?.fill();
    return async () => {
      if (meanwhile) {
        await sleep(fullBeforeMs);
        meanwhile();
      }
      await hold();
      this.#world.disk?.free();
    };
  }

  /**
   * What a sidecar finds when it goes on: lines of its agent that nobody else has, and the acknowledgement of those
   * before them. Then it is ended, and all that its agent had said must come from its spool.
   */
  async #endBehindAck(fault: Fault): Promise<void> {
    const { daemon } = this.#world;
    await this.#untilPrinting();
    const pid = (this.#printing ?? this.#sidecar(fault))?.pid;
    signal(pid, "SIGSTOP");
    await sleep(standMs);
    daemon.end("SIGKILL", { delayMs: fault.holdMs + sidecarEndMs });
    signal(pid, "SIGCONT");
    await sleep(fault.which * 20);
    signal(pid, "SIGTERM");
  }

  /** What its agent has in the pipe then, and its sidecar in memory, is nowhere else: so one is asked to say much. */
  async #stopOnFullDisk(fault: Fault): Promise<void> {
    const { disk, caller } = this.#world;
    const asked = this.#sidecar(fault)?.tale;
    if (!asked) return;
    const text = `steps=1 words=4000 pause=1 ask=0 [full disk ${this.done[fault.kind]}]`;
    asked.sent.add(text);
    const answer = await caller.call({ method: "POST", path: `/sessions/${asked.id}/prompt`, body: { text } });
    if (answer?.status === 202) asked.accepted.set(text, String(answer.body.turn_id));
    await this.#untilPrinting();
    const tale = this.#printing?.tale ?? asked;
    disk?.fill();
    await sleep(fullBeforeMs);
    tale.isStopAsked = true;
    await caller.call({ method: "POST", path: `/sessions/${tale.id}/stop`, body: { mode: "now" } });
    await sleep(stopHoldMs);
    disk?.free();
  }

  async #untilPrinting(): Promise<void> {
    const until = performance.now() + printingWaitMs;
    while (!this.#printing && performance.now() < until) await sleep(2);
  }

  async #killAgain({ holdMs, delayUs }: Fault): Promise<void> {
    const { daemon } = this.#world;
    const before = daemon.starts;
    const until = performance.now() + 3000;
    while (daemon.starts === before && performance.now() < until) await sleep(2);
    await sleep(Math.min(300, holdMs) + (delayUs % 50));
    daemon.end("SIGKILL", { delayMs: 0 });
  }

  #hold(pids: readonly (number | undefined)[], wait: () => Promise<unknown>): () => Promise<void> {
    for (const pid of pids) signal(pid, "SIGSTOP");
    return async () => {
      await wait();
      for (const pid of pids) signal(pid, "SIGCONT");
    };
  }

  #killSidecar(fault: Fault): void {
    const found = this.#sidecar(fault);
    if (!found) return;
    const { tale, pid } = found;
    tale.isSidecarKilled = true;
    signal(pid, "SIGKILL");
    tale.spooledSeq = Math.max(tale.spooledSeq, spooledUpTo(join(this.#world.dataDir, "sessions", tale.id)));
  }

  get #live(): { tale: Tale; pid: number }[] {
    return this.#world.tales.flatMap((tale) => {
      const pid = sidecarOf(join(this.#world.dataDir, "sessions", tale.id));
      return pid === undefined ? [] : [{ tale, pid }];
    });
  }

  #sidecar({ which }: Fault): { tale: Tale; pid: number } | undefined {
    const live = this.#live;
    return live[Math.floor(which * live.length)];
  }

  /** One whose agent is printing: its log has just grown. */
  get #printing(): { tale: Tale; pid: number } | undefined {
    return this.#live.find(({ tale }) => {
      const log = statSync(join(this.#world.dataDir, "sessions", tale.id, "events.ndjson"), { throwIfNoEntry: false });
      return log !== undefined && Date.now() - log.mtimeMs < justNowMs;
    });
  }

  #agent(fault: Fault): number | undefined {
    const found = this.#sidecar(fault);
    if (!found) return undefined;
    const { pid } = journalOf(this.#world.journalDir, found.tale.id);
    if (pid === undefined) return sessionProcesses(found.tale.id)[0];
    return isOf(pid, found.tale.id) ? pid : undefined;
  }

  /** Half a line at the end of a log, as a crash in the midst of a write leaves it. */
  #tear(fault: Fault): void {
    const path = this.#live
      .map(({ tale }) => join(this.#world.dataDir, "sessions", tale.id, "events.ndjson"))
      .filter((log) => existsSync(log) && statSync(log).size > 0)
      .at(0);
    if (path === undefined) return;
    const text = readFileSync(path);
    if (text.at(-1) !== 0x0a) return;
    const start = text.lastIndexOf(0x0a, text.length - 2) + 1;
    const torn = text.subarray(start, start + Math.max(1, Math.floor(fault.which * (text.length - 1 - start))));
    try {
      appendFileSync(path, torn);
    } catch {
      // No room for it: then there is no torn line either.
    }
  }
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}

function isOf(pid: number, sessionId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`AGENTRUNTIME_SESSION_ID=${sessionId}`);
  } catch {
    return false;
  }
}
