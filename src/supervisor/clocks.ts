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

/** How long the ladder of the sidecar may take before the daemon ends it by force. */
export const stopMs = 15_000;
/** How long an agent may take until it can be prompted. */
const startMs = 120_000;

export class Clocks {
  readonly #options: ClocksOptions;
  readonly #session: Stopwatch | undefined;
  #turn: { id: string; watch: Stopwatch } | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  #stopTimer: NodeJS.Timeout | undefined;

  constructor(options: ClocksOptions) {
    this.#options = options;
    if (options.sessionMs !== undefined) this.#session = new Stopwatch(options.sessionMs, options.onSessionLimit);
  }

  /** A session adopted in mid-start gets the whole time again; nobody is hurt by that. */
  beginStart(): void {
    this.#startTimer = setTimeout(this.#options.onStartLimit, startMs + this.#options.hooks.startMs);
  }

  beginStop(): void {
    this.#stopTimer = setTimeout(this.#options.onStopLimit, stopMs + this.#options.hooks.endMs);
  }

  /** Time counts while the agent works or starts for somebody; it stands still while a person is awaited. */
  follow(now: { activity: SidecarStatus["activity"]; turnId: string | undefined; isAwaited: boolean }): void {
    if (now.activity !== "starting") clearTimeout(this.#startTimer);
    this.#followTurn(now.turnId);
    const isStarting = now.activity === "starting" && now.isAwaited;
    if (now.activity === "busy" || now.activity === "retrying" || isStarting) {
      this.#session?.run();
      this.#turn?.watch.run();
    } else {
      this.#standStill();
    }
  }

  stop(): void {
    clearTimeout(this.#stopTimer);
    clearTimeout(this.#startTimer);
    this.#standStill();
  }

  #followTurn(id: string | undefined): void {
    if (this.#turn?.id === id) return;
    this.#turn?.watch.standStill();
    const { turnMs, onTurnLimit } = this.#options;
    this.#turn =
      id === undefined || turnMs === undefined ? undefined : { id, watch: new Stopwatch(turnMs, onTurnLimit) };
  }

  #standStill(): void {
    this.#session?.standStill();
    this.#turn?.watch.standStill();
  }
}
