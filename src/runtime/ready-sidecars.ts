/**
 * Sidecars that have been started and wait to be told what they are for: a launch that takes one does not wait for
 * node's start. They know of no session, hold nothing, and end when their stdin does: killing one loses nothing, and
 * none outlives the daemon, however it dies.
 */
import { isSameProcess } from "../process/identity.ts";
import { type SidecarProcess, type SidecarProgram, startSidecar } from "./sidecar-process.ts";

export interface ReadySidecarsOptions {
  program: SidecarProgram;
  /** Where they wait; each goes to its session's folder when it is bound. */
  dir: string;
  /** How many wait at once; 0 is none. */
  count: number;
  /** One that waited has ended by itself; another takes its place when there is time. */
  onLost(): void;
}

/** How long no session may have been launched before one more is started: starting takes the processor that a burst needs. */
const quietMs = 500;
/** After one has died by itself; doubled as long as they go on dying. */
const deathPauseMs = 1_000;
const deathPauseMsMax = 60_000;

export class ReadySidecars {
  readonly #options: ReadySidecarsOptions;
  readonly #waiting: SidecarProcess[] = [];
  #launching = 0;
  #deaths = 0;
  #timer: NodeJS.Timeout | undefined;
  #phase: "idle" | "keeping" | "closed" = "idle";

  constructor(options: ReadySidecarsOptions) {
    this.#options = options;
  }

  /** From here on the pool is filled whenever there is time. */
  begin(): void {
    if (this.#phase !== "idle") return;
    this.#phase = "keeping";
    this.#fillIn(quietMs);
  }

  /** One that is alive, if there is one; whoever takes it binds it or kills it. */
  take(): SidecarProcess | undefined {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (next.identity && isSameProcess(next.identity.pid, next.identity.started)) return next;
    }
    return undefined;
  }

  /** Runs a launch; the pool is not filled meanwhile. */
  async during<T>(launch: () => Promise<T>): Promise<T> {
    this.#launching++;
    try {
      const launched = await launch();
      this.#deaths = 0;
      return launched;
    } finally {
      this.#launching--;
      this.#fillIn(quietMs);
    }
  }

  /** Ends those that wait, and resolves when they are gone. */
  async close(): Promise<void> {
    this.#phase = "closed";
    clearTimeout(this.#timer);
    const left = this.#waiting.splice(0);
    for (const sidecar of left) sidecar.kill();
    await Promise.all(left.map(({ gone }) => gone));
  }

  #fillIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#phase !== "keeping") return;
    this.#timer = setTimeout(() => this.#addOne(), ms);
    this.#timer.unref();
  }

  #addOne(): void {
    if (this.#launching > 0 || this.#waiting.length >= this.#options.count) return;
    const { program, dir } = this.#options;
    const sidecar = startSidecar(program, { dir, stderr: "ignore" });
    this.#waiting.push(sidecar);
    void sidecar.gone.then(() => this.#noteEnd(sidecar));
    this.#fillIn(quietMs);
  }

  /** The end of one that was taken is its session's affair. */
  #noteEnd(sidecar: SidecarProcess): void {
    const at = this.#waiting.indexOf(sidecar);
    if (at === -1) return;
    this.#waiting.splice(at, 1);
    this.#options.onLost();
    this.#fillIn(Math.min(deathPauseMsMax, deathPauseMs * 2 ** this.#deaths++));
  }
}
