/** Which sessions have something on the engine, and what is kept as long as there is one: the proxy, and what is ready for the next. */
import { messageOf } from "../../protocol/error.ts";
import { Kept } from "./kept.ts";

/**
 * The proxy is kept this long for a next session, and what is ready for one with it: a person who starts one after the other waits
 * seconds for another proxy. As long as a container waits at most.
 */
export const idleMs = 10 * 60_000;

export interface InUseOptions {
  /** Removes what no session needs. */
  release(): Promise<void>;
  log(level: "warn", message: string): void;
}

export class InUse {
  readonly kept = new Kept();
  readonly #live = new Set<string>();
  readonly #options: InUseOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: InUseOptions) {
    this.#options = options;
  }

  get isNeeded(): boolean {
    return this.#live.size + this.kept.size > 0;
  }

  get ids(): string[] {
    return [...this.#live, ...this.kept.ids];
  }

  has(sessionId: string): boolean {
    return this.#live.has(sessionId) || this.kept.has(sessionId);
  }

  /** It is attended to. */
  add(sessionId: string): void {
    this.#live.add(sessionId);
    this.kept.drop(sessionId);
    this.hold();
  }

  /** It has ended, and its container is gone. */
  drop(sessionId: string): void {
    this.#live.delete(sessionId);
    this.kept.drop(sessionId);
    this.rest();
  }

  /** What was to be released soon stays. */
  hold(): void {
    clearTimeout(this.#timer);
  }

  /** Released soon, if nobody needs it. */
  rest(): void {
    if (this.isNeeded) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#options.release().catch((error: unknown) => {
        this.#options.log("warn", `Cannot remove the proxy: ${messageOf(error)}`);
      });
    }, idleMs).unref();
  }
}
