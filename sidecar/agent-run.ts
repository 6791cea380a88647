/**
 * One agent from its start to its `exit`: gives the harness its host, carries commands to it, watches for stalls, and
 * sees to it that `exit` comes last, comes once and always comes.
 */
import type { Bootstrap } from "../src/protocol/bootstrap.ts";
import { AgentdError, messageOf } from "../src/protocol/error.ts";
import type { EventOf } from "../src/protocol/event.ts";
import type { SidecarStatus } from "../src/protocol/link-frame.ts";
import { advised } from "./advice.ts";
import { type AgentCommand, AgentCommands } from "./agent-commands.ts";
import type { EventLog } from "./event-log.ts";
import { exitEvent, isWordOfAgent } from "./exit-event.ts";
import type { Harness, HarnessHost, HarnessOutput, Waiting } from "./harness.ts";
import { Hooks } from "./hooks.ts";
import { OpenInputs } from "./open-inputs.ts";
import { OwedMessages } from "./owed-messages.ts";
import type { Redaction } from "./redact/redaction.ts";
import { type Hold, RunGate } from "./run-gate.ts";
import { sandboxed } from "./sandbox.ts";
import { stallThresholds, startWatchdog, type Watchdog } from "./watchdog.ts";

export interface AgentRunOptions {
  bootstrap: Bootstrap;
  createHarness(bootstrap: Bootstrap, host: HarnessHost): Harness;
  log: EventLog;
  redaction?: Redaction | undefined;
  now(): number;
  onStatus(status: SidecarStatus): void;
  /** Given to the agent when it has started; no other will follow. */
  onlyPrompt?: string;
}

export type RunState =
  | { phase: "waiting" }
  | { phase: "starting" }
  | { phase: "running" }
  | { phase: "failed"; message: string }
  | { phase: "ended"; code: number };

/** After a stop nothing may hold back the last events for longer than this. */
const stopHoldMs = 12_000;

export class AgentRun {
  readonly #options: AgentRunOptions;
  readonly #harness: Harness;
  readonly #hooks: Hooks;
  readonly #inputs: OpenInputs;
  readonly #commands: AgentCommands;
  readonly #gate = new RunGate();
  readonly #owed = new OwedMessages();
  #state: RunState = { phase: "waiting" };
  #status: SidecarStatus;
  #stopReason: string | undefined;
  #hasSpoken = false;
  #isStoring = false;
  /** Hooks have still to run before it may be prompted. */
  #isPreparing: boolean;
  /** Why it had to be ended before it was ready. */
  #hookFailure: string | undefined;
  #watchdog: Watchdog | undefined;
  #starting: Promise<void> | undefined;
  #resolveSaid: () => void = () => undefined;
  #resolveEnded: () => void = () => undefined;
  /** Resolves when `exit` was emitted; on a full disk it is in memory only. Never rejects. */
  readonly said: Promise<void>;
  /** Resolves when `exit` was emitted and stored. Never rejects. */
  readonly ended: Promise<void>;

  constructor(options: AgentRunOptions) {
    this.#options = options;
    this.#status = { activity: "starting", turn_id: null, background: 0 };
    this.said = new Promise((resolve) => {
      this.#resolveSaid = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const timeoutS = options.bootstrap.config.input_timeout;
    this.#inputs = new OpenInputs({
      timeoutMs: timeoutS ? timeoutS * 1000 : undefined,
      now: options.now,
      onExpired: (requestId) => void this.#commands.expire(requestId, timeoutS ?? 0),
    });
    this.#commands = new AgentCommands({
      harness: () => this.#harness,
      inputs: this.#inputs,
      owed: this.#owed,
      record: (event) => this.#emitOwn(event),
      emit: (outputs) => this.#emit(outputs),
    });
    this.#hooks = new Hooks({ bootstrap: options.bootstrap, report: (event) => this.#emitOwn(event) });
    this.#isPreparing = this.#hooks.has("post_init") || this.#hooks.has("sidecar");
    this.#harness = options.createHarness(options.bootstrap, {
      emit: (outputs) => this.#emit(outputs),
      setStatus: (change) => this.#setStatus(change),
      now: options.now,
      redaction: options.redaction,
      contain: containerIn(options.bootstrap),
      apart: () => this.#hooks.apart(),
    });
  }

  get state(): RunState {
    return this.#state;
  }

  /** While a person is awaited, that is what a busy agent does. */
  get status(): SidecarStatus {
    const { activity } = this.#status;
    if (this.#isPreparing && activity !== "ended") return { ...this.#status, activity: "starting" };
    const isAwaiting = this.#inputs.count > 0 && (activity === "busy" || activity === "retrying");
    return isAwaiting ? { ...this.#status, activity: "awaiting_input" } : this.#status;
  }

  /** The highest number among the turn ids that came: whoever numbers turns must go on from there. */
  get lastTurn(): number {
    return this.#commands.lastTurn;
  }

  get agentSessionId(): string | undefined {
    return this.#harness.agentSessionId;
  }

  /** Starts the agent, once; later calls join. Resolves when it runs or could not be started. Never rejects. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    if (this.#state.phase !== "waiting") return;
    this.#state = { phase: "starting" };
    try {
      await this.#hooks.beforeAgent();
      if (this.#stopReason === undefined) await this.#harness.start();
    } catch (error) {
      if (this.#stopReason === undefined) return this.#failToStart(error);
    }
    if (this.#stopReason !== undefined && this.#status.agent_pid === undefined) return this.#neverStarted();
    void this.#finish();
    await this.#prepare();
    if (this.#hookFailure !== undefined || this.#isOver) return;
    this.#state = { phase: "running" };
    this.#watchdog = startWatchdog({
      thresholds: stallThresholds(this.#options.bootstrap.config),
      now: this.#options.now,
      steady: () => performance.now(),
      waiting: () => this.#waiting,
      isResting: () => this.#gate.isHeld || this.#isStoring,
      onWarning: (data) => void this.#emitOwn({ type: "system", data }),
      onStall: (data) => {
        void this.#emitOwn({ type: "system", data });
        void this.stop("stall");
      },
    });
    if (this.#stopReason !== undefined) await this.stop(this.#stopReason);
    else if (this.#options.onlyPrompt !== undefined) {
      this.#harness.prompt({ text: this.#options.onlyPrompt, turnId: this.#commands.newTurn() });
      this.#harness.finish();
    }
  }

  get #isOver(): boolean {
    return this.#state.phase === "ended" || this.#state.phase === "failed";
  }

  /** What is to happen between the agent's start and its first prompt. */
  async #prepare(): Promise<void> {
    if (!this.#isPreparing) return;
    try {
      await this.#hooks.afterStart(this.#status.agent_pid);
    } catch (error) {
      if (this.#stopReason !== undefined || this.#isOver) return;
      this.#hookFailure = messageOf(error);
      await this.#emitOwn(startError("agent_failed", this.#hookFailure));
      await this.#harness.stop("hook_failed");
    } finally {
      this.#isPreparing = false;
      if (!this.#isOver) this.#options.onStatus(this.status);
    }
  }

  /** It was stopped before there was an agent. */
  async #neverStarted(): Promise<void> {
    await this.#hooks.agentEnded(0);
    await this.#exit({ code: 0, stderrTail: "" });
  }

  /**
   * Carries out a command, after the start when that is under way. Resolves with the turn that a prompt or steer
   * belongs to. Rejects with a sentence for people when it cannot be carried out.
   */
  async command(command: AgentCommand): Promise<string | undefined> {
    if (command.type === "stop") {
      void this.stop(command.data.reason);
      return undefined;
    }
    if (command.type === "prompt" || command.type === "steer") {
      if (command.data.content.trim() === "") throw new Error(`${command.type} content is required`);
    }
    await this.#starting;
    try {
      const taken = this.#commands.takenBefore(command);
      if (taken !== undefined) return taken;
      if (this.#state.phase !== "running") throw new Error(`Cannot ${command.type}: ${notRunning(this.#state)}`);
      this.#watchdog?.sign();
      return this.#commands.carryOut(command);
    } catch (error) {
      const told = this.#told(messageOf(error));
      throw error instanceof AgentdError
        ? new AgentdError(error.code, told, { cause: error })
        : new Error(told, { cause: error });
    }
  }

  /** For what does not go through the log: it may quote the agent. */
  #told(sentence: string): string {
    return this.#options.redaction?.text(sentence) ?? sentence;
  }

  get #waiting(): Waiting {
    return this.#inputs.count > 0 ? { on: "person" } : this.#harness.waiting;
  }

  /** Ends the agent and all it started; its last events and `exit` follow. The first reason counts. Never rejects. */
  async stop(reason: string): Promise<void> {
    if (this.#isOver) return;
    this.#stopReason ??= reason;
    this.#hooks.cutShort();
    if (this.#state.phase === "waiting") {
      this.#state = { phase: "starting" };
      await this.#exit({ code: 0, stderrTail: "" });
      return;
    }
    const letGo = setTimeout(() => this.#gate.letGo(), stopHoldMs);
    try {
      await this.#harness.stop(reason);
    } catch (error) {
      await this.#emitOwn({ type: "error", data: { code: "internal", message: messageOf(error), retryable: false } });
    }
    clearTimeout(letGo);
    // What is left of its output is bounded now, and `exit` must come.
    this.#gate.letGo();
  }

  hold(reason: Hold): void {
    this.#gate.hold(reason);
  }

  release(reason: Hold): void {
    this.#gate.release(reason);
  }

  /** An event of the sidecar itself. */
  async report(event: EventOf<"error" | "system">): Promise<void> {
    await this.#emitOwn(event);
  }

  async #emit(emitted: readonly HarnessOutput[]): Promise<void> {
    // `exit` is last, whoever still has something to say.
    if (this.#isOver) return;
    this.#watchdog?.sign();
    if (this.#commands.holdBack(emitted)) return;
    this.#owed.note(emitted);
    const openBefore = this.#inputs.count;
    const outputs = advised(this.#inputs.pass(emitted), this.#options.bootstrap.advice);
    this.#hasSpoken ||= outputs.some(({ event }) => isWordOfAgent(event));
    const stored = this.#options.log.append(outputs);
    if (this.#inputs.count > 0 !== openBefore > 0) this.#options.onStatus(this.status);
    if (stored && !this.#gate.isLettingGo) {
      // A silence of our own making, while there is no room, is not the agent's.
      this.#isStoring = true;
      await Promise.race([stored, this.#gate.untilLetGo()]);
      this.#isStoring = false;
    }
    await this.#gate.untilOpen();
  }

  async #emitOwn(event: HarnessOutput["event"]): Promise<void> {
    if (!this.#isOver) await this.#options.log.append(advised([{ event }], this.#options.bootstrap.advice));
  }

  #setStatus(change: Partial<SidecarStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.#options.onStatus(this.status);
  }

  async #finish(): Promise<void> {
    try {
      const end = await this.#harness.ended;
      await this.#hooks.agentEnded(end.code);
      const failed = { code: end.code || 1, category: "startup_crash", stderrTail: "" } as const;
      await this.#exit(this.#hookFailure === undefined ? end : { ...failed, detail: this.#hookFailure });
    } catch (error) {
      // A fault of ours: the session must still end, and say why.
      await this.#exit({ code: 1, stderrTail: "", detail: messageOf(error), category: "agent_crash" });
    }
  }

  async #exit(end: Parameters<typeof exitEvent>[0]["end"]): Promise<void> {
    if (this.#isOver) return;
    this.#watchdog?.stop();
    const event = exitEvent({ end, stopReason: this.#stopReason, hasSpoken: this.#hasSpoken });
    this.#state = { phase: "ended", code: end.code };
    await this.#sayLast([...this.#inputs.abort(), { event }]);
  }

  async #sayLast(outputs: readonly HarnessOutput[]): Promise<void> {
    void this.#options.log.append(outputs);
    this.#setStatus({ activity: "ended", turn_id: null, background: 0 });
    this.#resolveSaid();
    // In a file is enough: whether there is room behind it matters to nobody any more.
    await this.#options.log.stored();
    this.#resolveEnded();
  }

  async #failToStart(error: unknown): Promise<void> {
    const code = error instanceof AgentdError && error.code === "agent_not_found" ? error.code : "agent_failed";
    const message = this.#told(messageOf(error));
    const category = "startup_crash";
    const end = { code: 1, stderrTail: "", detail: message, category } as const;
    const exit = exitEvent({ end, hasSpoken: false });
    await this.#emitOwn(startError(code, message));
    await this.#hooks.agentEnded(1);
    this.#state = { phase: "failed", message };
    await this.#sayLast([{ event: exit }]);
  }
}

function containerIn(bootstrap: Bootstrap): HarnessHost["contain"] {
  const { sandbox } = bootstrap;
  return sandbox && ((start) => sandboxed(start, bootstrap, sandbox));
}

function startError(code: "agent_failed" | "agent_not_found", message: string): EventOf<"error"> {
  return { type: "error", data: { code, message, retryable: false, error_category: "startup_crash" } };
}

function notRunning(state: RunState): string {
  switch (state.phase) {
    case "waiting":
    case "starting":
      return "the agent is still starting; try again in a moment";
    case "running":
      return "the agent is running";
    case "failed":
      return `the agent could not be started: ${state.message}`;
    case "ended":
      return `the agent has ended with code ${state.code}`;
    default:
      return state satisfies never;
  }
}
