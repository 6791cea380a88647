/** The limits on a session's time: of the whole session, of the turn that runs, of its agent's start and of its stop. */
import type { SidecarStatus } from "../protocol/link-frame.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface ClocksOptions {
  /** What the request allows; undefined without a limit. */
  sessionMs: number | undefined;
  turnMs: number | undefined;
  /** What the operator's hooks may take besides. */
  hooks: { startMs: number; endMs: number };
  onSessionLimit(): void;
  onTurnLimit(): void;
  onStartLimit(): void;
  onStopLimit(): void;
}

/** What the clocks go by. */
interface ClockedState {
  activity: SidecarStatus["activity"];
  turnId: string | undefined;
  /** Somebody has prompted it. */
  isAwaited: boolean;
  /** The disk is full. */
  isPaused: boolean;
}

/** How long the ladder of the sidecar may take before the daemon ends it by force. */
export const stopMs = 15_000;
/** How long an agent may take until it can be prompted. */
const startMs = 120_000;

export class Clocks {
  readonly #options: ClocksOptions;
  readonly #session: Stopwatch | undefined;
  #turn: { id: string; watch: Stopwatch } | undefined;
  #start: Stopwatch | undefined;
  #stopTimer: NodeJS.Timeout | undefined;
  #isPaused = false;
  #isOver = false;

  constructor(options: ClocksOptions) {
    this.#options = options;
    if (options.sessionMs !== undefined) this.#session = new Stopwatch(options.sessionMs, options.onSessionLimit);
  }

  /** A session adopted in mid-start gets the whole time again; nobody is hurt by that. */
  beginStart(): void {
    this.#start = new Stopwatch(startMs + this.#options.hooks.startMs, this.#options.onStartLimit);
    this.#start.run();
  }

  /** Called again, it begins anew. */
  beginStop(): void {
    clearTimeout(this.#stopTimer);
    this.#stopTimer = setTimeout(this.#options.onStopLimit, stopMs + this.#options.hooks.endMs);
  }

  /**
   * Time counts while the agent works or starts for somebody; it stands still while a person is awaited, and while the
   * disk is full, because then it is we who hold the agent.
   */
  follow(now: ClockedState): void {
    if (this.#isOver) return;
    this.#followTurn(now.turnId);
    this.#followPause(now.isPaused);
    if (now.isPaused || now.activity !== "starting") this.#start?.standStill();
    else this.#start?.run();
    if (now.activity !== "starting") this.#start = undefined;
    const isStarting = now.activity === "starting" && now.isAwaited;
    if (now.isPaused) this.#standStill();
    else if (now.activity === "busy" || now.activity === "retrying" || isStarting) {
      this.#session?.run();
      this.#turn?.watch.run();
    } else {
      this.#standStill();
    }
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#stopTimer);
    this.#start?.standStill();
    this.#standStill();
  }

  #followTurn(id: string | undefined): void {
    if (this.#turn?.id === id) return;
    this.#turn?.watch.standStill();
    const { turnMs, onTurnLimit } = this.#options;
    this.#turn =
      id === undefined || turnMs === undefined ? undefined : { id, watch: new Stopwatch(turnMs, onTurnLimit) };
  }

  /** Behind a full disk a stop has all its work to do still: to store what waited, to pass it on, to tell `exit`. */
  #followPause(isPaused: boolean): void {
    const hasRoomAgain = this.#isPaused && !isPaused;
    this.#isPaused = isPaused;
    if (hasRoomAgain && this.#stopTimer !== undefined) this.beginStop();
  }

  #standStill(): void {
    this.#session?.standStill();
    this.#turn?.watch.standStill();
  }
}
