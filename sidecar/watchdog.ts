/**
 * Turns the absence of events into an event: warns when an agent has been silent for long, and ends it when a model has
 * been silent for very long. Waiting for a person or for nothing is no silence; a tool may take as long as it likes.
 */
import type { AgentConfig } from "../src/protocol/bootstrap.ts";
import type { EventOf } from "../src/protocol/event.ts";
import type { Waiting } from "./harness.ts";

export interface StallThresholds {
  /** Seconds of silence; Infinity when off. */
  warnS: number;
  killS: number;
}

export interface Silence {
  waiting: Waiting;
  /** Unix ms of the last sign of life. */
  lastSignAt: number;
  /** It was warned about this silence already. */
  isWarned: boolean;
}

export type Judgement =
  | { verdict: "well" }
  | { verdict: "warn"; data: EventOf<"system">["data"] }
  | { verdict: "kill"; data: EventOf<"system">["data"] };

const defaultWarnS = 600;
const defaultKillS = 3000;

/** 0 asks for the default, a negative number for none. */
export function stallThresholds(config: AgentConfig): StallThresholds {
  const pick = (asked: number | undefined, fallback: number) => (asked ? (asked < 0 ? Infinity : asked) : fallback);
  return {
    warnS: pick(config.stall_warning_timeout, defaultWarnS),
    killS: pick(config.stall_kill_timeout, defaultKillS),
  };
}

export function judge(silence: Silence, thresholds: StallThresholds, now: number): Judgement {
  const { waiting } = silence;
  switch (waiting.on) {
    case "person":
    case "nothing":
      return { verdict: "well" };
    case "model":
    case "retry": {
      // A retry is silent until it is due, by its own announcement.
      const since = waiting.on === "retry" ? Math.max(silence.lastSignAt, waiting.dueAt) : silence.lastSignAt;
      return judgeSilence({ silence, thresholds, silenceS: (now - since) / 1000, killsAfterS: thresholds.killS });
    }
    case "tool": {
      const silenceS = (now - silence.lastSignAt) / 1000;
      return judgeSilence({ silence, thresholds, silenceS, killsAfterS: Infinity, tools: waiting.names });
    }
    default:
      return waiting satisfies never;
  }
}

interface Measured {
  silence: Silence;
  thresholds: StallThresholds;
  silenceS: number;
  killsAfterS: number;
  tools?: string[];
}

function judgeSilence({ silence, thresholds, silenceS, killsAfterS, tools }: Measured): Judgement {
  const common = {
    waiting_for: silence.waiting.on,
    ...(tools ? { tools } : {}),
    silence_s: Math.round(silenceS * 10) / 10,
  };
  if (silenceS >= killsAfterS) {
    return { verdict: "kill", data: { subtype: "stall_kill", ...common, threshold_s: killsAfterS } };
  }
  if (silenceS < thresholds.warnS || silence.isWarned) return { verdict: "well" };
  const kills_after_s = killsAfterS === Infinity ? null : killsAfterS;
  return {
    verdict: "warn",
    data: { subtype: "stall_warning", ...common, threshold_s: thresholds.warnS, kills_after_s },
  };
}

export interface WatchdogOptions {
  thresholds: StallThresholds;
  /** The wall clock, in which retries are announced. */
  now(): number;
  /** A clock that nobody sets. Between two looks the wall clock may have been set, or the machine have slept. */
  steady(): number;
  waiting(): Waiting;
  /** We do not read the agent just now, so its silence says nothing. */
  isResting(): boolean;
  onWarning(data: EventOf<"system">["data"]): void;
  /** Called once. */
  onStall(data: EventOf<"system">["data"]): void;
}

export interface Watchdog {
  /** The agent or a person did something. */
  sign(): void;
  stop(): void;
}

const checkEveryMs = 5_000;
/** Less is the drift of a clock that is kept in time. */
const jumpMs = 1_000;

export function startWatchdog(options: WatchdogOptions): Watchdog {
  const { thresholds } = options;
  let lastSignAt = options.now();
  let isWarned = false;
  let waitedOn: Waiting["on"] = options.waiting().on;
  let skew = options.now() - options.steady();
  const sign = () => {
    lastSignAt = options.now();
    isWarned = false;
  };
  /** What the clock jumped by was no silence. */
  const followJumps = () => {
    const skewNow = options.now() - options.steady();
    if (Math.abs(skewNow - skew) < jumpMs) return;
    lastSignAt += skewNow - skew;
    skew = skewNow;
  };
  const check = () => {
    followJumps();
    const waiting = options.waiting();
    // What it waits for has changed: that was a sign, whoever caused it.
    if (options.isResting() || waiting.on !== waitedOn) sign();
    waitedOn = waiting.on;
    const judgement = judge({ waiting, lastSignAt, isWarned }, thresholds, options.now());
    switch (judgement.verdict) {
      case "well":
        return;
      case "warn":
        isWarned = true;
        options.onWarning(judgement.data);
        return;
      case "kill":
        clearInterval(timer);
        options.onStall(judgement.data);
        return;
      default:
        judgement satisfies never;
    }
  };
  const shortestMs = Math.min(thresholds.warnS, thresholds.killS) * 1000;
  const timer = setInterval(check, Math.max(10, Math.min(checkEveryMs, shortestMs / 4)));
  return { sign, stop: () => clearInterval(timer) };
}
