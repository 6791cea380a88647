/** From the start of the program to a thread: the handshake, the thread's request, and how long each may take. */
import type { ErrorCategory } from "../../src/protocol/event.ts";
import type { Effects } from "./normalize.ts";
import { initializedLine, initializeLine } from "./requests.ts";

type Phase = "initializing" | "opening" | "ready" | "failed";

export interface OpeningOptions {
  isResuming: boolean;
  /** The request for the thread, under this id. */
  threadLine(id: string): string;
  /** Writes a line, whose reply will say what it was for. */
  tell(line: string, asked?: "initialize" | "thread"): void;
  threadId(): string | undefined;
  onFailed(failure: { message: string; category: ErrorCategory }): void;
}

/** How long it may take to answer to its name, and to have its thread (MCP servers start meanwhile). */
const initializeMs = 30_000;
const threadMs = 90_000;

export class Opening {
  readonly #options: OpeningOptions;
  #phase: Phase = "initializing";
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: OpeningOptions) {
    this.#options = options;
  }

  get isReady(): boolean {
    return this.#phase === "ready";
  }

  begin(): void {
    this.#options.tell(initializeLine("initialize"), "initialize");
    this.#expectWithin(initializeMs, "its handshake");
  }

  replied({ id, error }: Effects["replies"][number]): void {
    if (id === "initialize") this.#initialized(error);
    else if (id === "thread") this.#opened(error);
  }

  close(): void {
    clearTimeout(this.#deadline);
  }

  #initialized(error: { message: string } | undefined): void {
    if (this.#phase !== "initializing") return;
    if (error) return this.#fail(`codex refused the handshake: ${error.message}`, "startup_crash");
    this.#phase = "opening";
    this.#options.tell(initializedLine);
    this.#options.tell(this.#options.threadLine("thread"), "thread");
    this.#expectWithin(threadMs, "its thread");
  }

  #opened(error: { code: number; message: string } | undefined): void {
    if (this.#phase !== "opening") return;
    const { isResuming } = this.#options;
    if (error || this.#options.threadId() === undefined) {
      const message = `codex could not ${isResuming ? "go on with the" : "begin a"} conversation: ${error?.message ?? "it named no thread"}`;
      // An invalid request to resume names a conversation that is not there; other codes are failures of its own.
      return this.#fail(message, isResuming && error?.code === -32600 ? "session_not_found" : "startup_crash");
    }
    clearTimeout(this.#deadline);
    this.#phase = "ready";
  }

  #expectWithin(ms: number, what: string): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(
      () => this.#fail(`codex did not answer within ${ms / 1000} s when asked for ${what}`, "startup_crash"),
      ms,
    );
  }

  #fail(message: string, category: ErrorCategory): void {
    clearTimeout(this.#deadline);
    this.#phase = "failed";
    this.#options.onFailed({ message, category });
  }
}
