/** Any agent that speaks the Agent Client Protocol over its pipes, as one process for a whole session. */
import { randomBytes } from "node:crypto";
import { marksOf } from "../../src/process/session-marks.ts";
import { defaultStopWaits } from "../../src/process/stop-ladder.ts";
import type { Image } from "../../src/protocol/agent-options.ts";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import type { ContextItem, InputAnswer, InterruptReason, MentionItem } from "../../src/protocol/command.ts";
import { defined } from "../../src/protocol/defined.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { type AgentProcess, type LineBatch, type ProcessExit, startAgentProcess } from "../agent-process.ts";
import { oversizedLineEvent } from "../blob-store.ts";
import { contextBlock, mentionBlock, PendingContext } from "../context-blocks.ts";
import type { Failure } from "../failure.ts";
import type { AgentEnd, Harness, HarnessHost, Waiting } from "../harness.ts";
import { checkoutInstructions, distrustEnv, distrustMeta } from "./distrust.ts";
import { environmentOf, isOpenCode } from "./environment.ts";
import { Normalizer } from "./normalize.ts";
import { plainPrompt } from "./plain-prompt.ts";
import { RunningCommands } from "./running-commands.ts";

export function createAcpHarness(bootstrap: Bootstrap, host: HarnessHost): Harness {
  return new AcpHarness(bootstrap, host);
}

/**
 * For each step of opening the session; some start their MCP servers or load a long history in one, and OpenCode fetches what the plugins
 * of a trusted checkout need. Below what the daemon gives the whole start, so that the step is named.
 */
const stepMs = 110_000;
/** From a cancel to the answer of the prompt. */
const cancelMs = 15_000;

class AcpHarness implements Harness {
  readonly #bootstrap: Bootstrap;
  readonly #host: HarnessHost;
  readonly #normalizer: Normalizer;
  readonly #context = new PendingContext();
  #process: AgentProcess | undefined;
  #commands: RunningCommands | undefined;
  #isReady = false;
  #isFinishing = false;
  /** Its work was done when we ended it, so how it went is no matter. */
  #isEndedInOrder = false;
  #stopReason: string | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  #cancelTimer: NodeJS.Timeout | undefined;
  #step = "";
  #wasExecuting = false;
  /** Called whenever the agent has become idle. */
  #onIdle: (() => void)[] = [];
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  readonly ended: Promise<AgentEnd>;

  constructor(bootstrap: Bootstrap, host: HarnessHost) {
    this.#bootstrap = bootstrap;
    this.#host = host;
    const { config, work_dir: workDir, agent } = bootstrap;
    this.#normalizer = new Normalizer({
      config,
      workDir,
      env: agent.env,
      ...defined({ meta: distrustMeta(bootstrap) }),
    });
    // The protocol has no place for instructions. A conversation that goes on knows those of its checkout already.
    const checkouts = config.resume_session === undefined ? checkoutInstructions(bootstrap) : undefined;
    if (checkouts !== undefined) this.#context.add(checkouts);
    if (config.instructions !== undefined)
      this.#context.add(`Instructions for this session:\n\n${config.instructions}`);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get agentSessionId(): string | undefined {
    return this.#normalizer.agentSessionId;
  }

  get waiting(): Waiting {
    return this.#normalizer.waiting;
  }

  async start(): Promise<void> {
    const { session_dir, work_dir, limits, agent } = this.#bootstrap;
    const agentProcess = await startAgentProcess({
      command: agent.command,
      env: {
        ...environmentOf(this.#bootstrap, randomBytes(24).toString("base64url")),
        ...distrustEnv(this.#bootstrap),
      },
      workDir: work_dir,
      marks: marksOf(this.#bootstrap),
      sessionDir: session_dir,
      limits,
      host: this.#host,
      onLines: (batch) => this.#takeLines(batch),
      onStderrLines: (batch) => this.#takeStderr(batch),
    });
    this.#process = agentProcess;
    this.#commands = new RunningCommands({
      marks: marksOf(this.#bootstrap),
      pid: agentProcess.pid,
      apart: () => this.#host.apart(),
    });
    this.#host.setStatus({ agent_pid: agentProcess.pid });
    this.#normalizer.begin();
    void this.#settle();
    void this.#finishAfter(agentProcess);
  }

  prompt({ text, turnId, images = [] }: { text: string; turnId: string; images?: readonly Image[] }): void {
    this.#running();
    this.#commands?.remember();
    this.#send(text, (texts) => {
      this.#normalizer.prompted({ turnId, said: [...images, ...texts] }, this.#host.now());
      this.#flush(() => this.#normalizer.unprompted(turnId));
    });
    void this.#settle();
  }

  /** The protocol has no word for it: what runs is cancelled, and the turn goes on with these words. */
  steer(steer: { text: string; turnId: string }): string {
    const turn = this.#normalizer.running;
    // A turn that was told to end is over as far as this message goes.
    if (!turn || turn.interrupt) {
      this.prompt(steer);
      return steer.turnId;
    }
    this.#running();
    this.#send(steer.text, (texts) => this.#normalizer.steered(texts));
    this.#watchCancel();
    void this.#settle();
    return turn.id;
  }

  interrupt({ reason, detail }: { reason: InterruptReason; detail?: string }): void {
    if (!this.#normalizer.running) return;
    this.#normalizer.interrupted(reason, detail, this.#host.now());
    this.#watchCancel();
    void this.#settle();
  }

  respond(answer: InputAnswer & { requestId: string; by: string }): void {
    this.#normalizer.respond(answer);
    void this.#settle();
  }

  setModel(model: string): void {
    this.#normalizer.setModel(model);
    void this.#settle();
  }

  setPermissionMode(mode: PermissionMode): void {
    const { config } = this.#bootstrap;
    // Told nothing at its start, it would go on without a question (1.18.33).
    if (mode === "interactive" && config.permission_mode !== "interactive" && isOpenCode(this.#bootstrap))
      throw new Error(
        "opencode asks only when it is told so at its start; begin a session with permission_mode interactive, which can resume this one",
      );
    this.#normalizer.setPermissionMode(mode);
  }

  context(item: ContextItem): void {
    this.#context.add(contextBlock(item));
  }

  mention(item: MentionItem): void {
    this.#context.add(mentionBlock(item, this.#bootstrap.work_dir));
  }

  finish(): void {
    this.#isFinishing = true;
    void this.#settle();
  }

  async stop(reason: string): Promise<void> {
    this.#stopReason ??= reason;
    const agentProcess = this.#process;
    if (!agentProcess) return;
    const idle = new Promise<void>((resolve) => this.#onIdle.push(resolve));
    this.interrupt({ reason: reason === "timeout" ? "limit" : "stop", detail: reason });
    void this.#settle();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), defaultStopWaits.interruptMs);
    });
    const isIdle = await Promise.race([idle.then(() => true), agentProcess.exited.then(() => true), late]);
    clearTimeout(timer);
    // Ending its input while a turn runs would let it go on to the turn's end.
    await agentProcess.stop([{ act: agentProcess.endInput, waitMs: isIdle ? defaultStopWaits.inputEndMs : 0 }]);
  }

  /** Context goes in front, as texts of their own; it stays for the next message when this one cannot be sent. */
  #send(text: string, act: (texts: string[]) => void): void {
    const context = this.#context.take();
    try {
      act([...context, plainPrompt(text)]);
    } catch (error) {
      this.#context.restore(context);
      throw error;
    }
  }

  async #takeLines({ oversized, lines }: LineBatch): Promise<void> {
    if (oversized) this.#normalizer.add(oversizedLineEvent(oversized));
    const now = this.#host.now();
    for (const line of lines) this.#normalizer.push(line, now);
    this.#followCommands();
    // Before the turn is told to be over.
    if (this.#normalizer.takeCutShort()) await this.#commands?.end();
    await this.#settle();
  }

  async #takeStderr({ oversized, lines }: LineBatch): Promise<void> {
    if (oversized) this.#normalizer.add(oversizedLineEvent(oversized));
    for (const line of lines) this.#normalizer.stderr(line);
    await this.#settle();
  }

  /** What a command that has ended left running is meant to run. */
  #followCommands(): void {
    const isExecuting = this.#normalizer.isExecuting;
    if (this.#wasExecuting && !isExecuting && this.#normalizer.running?.requestId !== undefined)
      this.#commands?.remember();
    this.#wasExecuting = isExecuting;
  }

  /** Passes on what has come of lines and commands. Resolves when the events are stored. */
  async #settle(): Promise<void> {
    const { outputs, isStatusNew, lines } = this.#normalizer.take();
    const stored = outputs.length > 0 ? this.#host.emit(outputs) : undefined;
    const isFirst = !this.#isReady && this.#normalizer.isReady;
    if (isFirst) this.#isReady = true;
    // Until it is ready it shows as starting, whatever waits for it already.
    if (this.#isReady && (isStatusNew || isFirst)) this.#host.setStatus(this.#normalizer.status);
    for (const line of lines) this.#tell(line);
    this.#watchStart();
    if (!this.#normalizer.running) this.#becomeIdle();
    await stored;
  }

  #becomeIdle(): void {
    clearTimeout(this.#cancelTimer);
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resume of waiting) resume();
    const agentProcess = this.#process;
    if (!agentProcess || this.#isEndedInOrder) return;
    if (!this.#normalizer.hasFailed && !(this.#isFinishing && (this.#isReady || this.#stopReason !== undefined)))
      return;
    this.#isEndedInOrder = true;
    // Some agents do not mind the end of their input.
    void agentProcess.stop();
  }

  /** An agent that does not answer while its session is opened will not. */
  #watchStart(): void {
    const step = this.#normalizer.isReady || this.#normalizer.hasFailed ? "" : this.#normalizer.step;
    if (step === this.#step) return;
    this.#step = step;
    clearTimeout(this.#startTimer);
    if (step === "") return;
    this.#startTimer = setTimeout(() => {
      const message = `The agent did not answer within ${stepMs / 1000} s when it was asked to begin (${step}); does its command speak ACP?`;
      this.#normalizer.fail({ message, category: "startup_crash" }, this.#host.now());
      void this.#settle();
    }, stepMs);
  }

  /** An agent that does not end a cancelled turn cannot be told anything more. */
  #watchCancel(): void {
    const turn = this.#normalizer.running;
    const requestId = turn?.requestId;
    if (!turn?.isCancelling || requestId === undefined) return;
    clearTimeout(this.#cancelTimer);
    this.#cancelTimer = setTimeout(() => {
      if (turn.requestId !== requestId || !turn.isCancelling) return;
      const failure = {
        message: `The agent did not end its turn within ${cancelMs / 1000} s of being told to, so it was ended`,
        category: "stall",
      } satisfies Failure;
      this.#normalizer.gaveUp(failure);
      void this.#settle();
      void this.#process?.stop([]);
    }, cancelMs);
  }

  /** Writes what was asked for; throws, and takes it back, when it cannot be written. */
  #flush(takeBack: () => void): void {
    try {
      for (const line of this.#normalizer.takeLines()) this.#running().write(line);
    } catch (error) {
      takeBack();
      throw error;
    }
  }

  /** Writes what nobody asked for, and so nobody can be told of when the agent is no longer there to read it. */
  #tell(line: string): void {
    try {
      this.#process?.write(line);
    } catch {
      // Its end says the same.
    }
  }

  #running(): AgentProcess {
    if (!this.#process) throw new Error(`${this.#bootstrap.agent.name} has not been started`);
    return this.#process;
  }

  async #finishAfter(agentProcess: AgentProcess): Promise<void> {
    const exit = await agentProcess.ended;
    clearTimeout(this.#startTimer);
    clearTimeout(this.#cancelTimer);
    this.#normalizer.end(this.#stopReason ?? endReason(exit), this.#host.now());
    const { outputs } = this.#normalizer.take();
    if (outputs.length > 0) await this.#host.emit(outputs);
    const { failure } = this.#normalizer;
    const end = this.#isEndedInOrder ? { code: failure ? 1 : 0 } : exit;
    const counts = failure !== undefined && end.code !== 0;
    this.#resolveEnded({
      ...end,
      stderrTail: agentProcess.stderrTail,
      ...(counts && failure.category ? { category: failure.category } : {}),
      ...(counts ? { detail: failure.message } : {}),
    });
  }
}

function endReason({ code, signal }: ProcessExit): string {
  return signal === undefined ? `the agent ended with code ${code}` : `the agent was ended by ${signal}`;
}
