/**
 * From the start of the program to a thread with its tools: handshake, thread, the instructions of one that goes on, MCP
 * servers, and how long each may take.
 */
import type { ErrorCategory } from "../../src/protocol/event.ts";
import type { Effects } from "./normalize.ts";
import { initializedLine, initializeLine } from "./requests.ts";

type Phase = "initializing" | "opening" | "instructing" | "connecting" | "ready" | "failed";

export interface OpeningOptions {
  isResuming: boolean;
  /** Names of the MCP servers that the session is to have. */
  servers: readonly string[];
  /** The request for the thread, under this id. */
  threadLine(id: string): string;
  /** What a thread that goes on is to be told before its first turn; undefined when there is nothing. */
  instructionsLine(id: string, threadId: string): string | undefined;
  /** Writes a line, whose reply will say what it was for. */
  tell(line: string, asked?: "initialize" | "thread"): void;
  threadId(): string | undefined;
  /** It is ready although nothing was said just now. */
  onReady(): void;
  onFailed(failure: { message: string; category: ErrorCategory }): void;
}

/** How long it may take to answer to its name, to have its thread, and to note what it is told. */
const initializeMs = 30_000;
const threadMs = 90_000;
const instructionsMs = 30_000;
/** It gives each MCP server ten seconds itself, and says what came of it (0.169.0). */
const serversMs = 20_000;

export class Opening {
  readonly #options: OpeningOptions;
  readonly #awaited: Set<string>;
  #phase: Phase = "initializing";
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: OpeningOptions) {
    this.#options = options;
    this.#awaited = new Set(options.servers);
  }

  get isReady(): boolean {
    return this.#phase === "ready";
  }

  begin(): void {
    this.#options.tell(initializeLine("initialize"), "initialize");
    this.#expectWithin(initializeMs, "for its handshake");
  }

  replied({ id, error }: Effects["replies"][number]): void {
    if (id === "initialize") this.#initialized(error);
    else if (id === "thread") this.#opened(error);
    else if (id === "instructions") this.#instructed(error);
  }

  /** An MCP server is there, or will not be. */
  serverSettled(name: string): void {
    this.#awaited.delete(name);
    if (this.#phase === "connecting" && this.#awaited.size === 0) this.#ready();
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
    this.#expectWithin(threadMs, "for its thread");
  }

  #opened(error: { code: number; message: string } | undefined): void {
    if (this.#phase !== "opening") return;
    const { isResuming } = this.#options;
    const threadId = this.#options.threadId();
    if (error || threadId === undefined) {
      const message = `codex could not ${isResuming ? "go on with the" : "begin a"} conversation: ${error?.message ?? "it named no thread"}`;
      // An invalid request to resume names a conversation that is not there; other codes are failures of its own.
      return this.#fail(message, isResuming && error?.code === -32600 ? "session_not_found" : "startup_crash");
    }
    const line = this.#options.instructionsLine("instructions", threadId);
    if (line === undefined) return this.#connect();
    this.#phase = "instructing";
    this.#options.tell(line);
    this.#expectWithin(instructionsMs, "to note its instructions");
  }

  /** Without them it would work on in a way that nobody wanted. */
  #instructed(error: { message: string } | undefined): void {
    if (this.#phase !== "instructing") return;
    if (error) return this.#fail(`codex did not take its instructions: ${error.message}`, "startup_crash");
    this.#connect();
  }

  #connect(): void {
    if (this.#awaited.size === 0) return this.#ready();
    // A first prompt would not wait for them, and its model would not be offered their tools.
    this.#phase = "connecting";
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => {
      this.#ready();
      this.#options.onReady();
    }, serversMs);
  }

  #ready(): void {
    clearTimeout(this.#deadline);
    this.#phase = "ready";
  }

  #expectWithin(ms: number, what: string): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(
      () => this.#fail(`codex did not answer within ${ms / 1000} s when asked ${what}`, "startup_crash"),
      ms,
    );
  }

  #fail(message: string, category: ErrorCategory): void {
    clearTimeout(this.#deadline);
    this.#phase = "failed";
    this.#options.onFailed({ message, category });
  }
}
