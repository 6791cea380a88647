/** Claude Code as one process for a whole session: prompts go in as lines, everything that happens comes out as events. */
import { randomUUID } from "node:crypto";
import { marksOf } from "../../src/process/session-marks.ts";
import { defaultStopWaits } from "../../src/process/stop-ladder.ts";
import type { Image } from "../../src/protocol/agent-options.ts";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import type { ContextItem, InputAnswer, InterruptReason, MentionItem } from "../../src/protocol/command.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { type AgentProcess, type LineBatch, type ProcessExit, startAgentProcess } from "../agent-process.ts";
import { oversizedLineEvent } from "../blob-store.ts";
import { contextBlock, mentionBlock, PendingContext } from "../context-blocks.ts";
import type { AgentEnd, Harness, HarnessHost, HarnessOutput, Waiting } from "../harness.ts";
import { claudeCommand } from "./args.ts";
import { findInstructions } from "./instructions.ts";
import { Normalizer } from "./normalize.ts";
import { standInFor } from "./oversized.ts";
import { writePrivateFiles } from "./private-files.ts";
import { initializeLine, interruptLine, setModelLine, setPermissionModeLine, userLine } from "./stdin-lines.ts";

export function createClaudeHarness(bootstrap: Bootstrap, host: HarnessHost): Harness {
  return new ClaudeHarness(bootstrap, host);
}

const initializeId = "initialize";
/** Changes that the agent has not answered; it answers at once, or never. */
const changesMax = 100;
const tooManyChanges = `${changesMax} changes wait for the agent's answer already; try again when it has answered`;

class ClaudeHarness implements Harness {
  readonly #bootstrap: Bootstrap;
  readonly #host: HarnessHost;
  readonly #normalizer: Normalizer;
  readonly #context = new PendingContext();
  readonly #freshId = randomUUID();
  #process: AgentProcess | undefined;
  /** It answered our first request: it takes prompts. */
  #isReady = false;
  #isFinishing = false;
  #stopReason: string | undefined;
  /** Why it was ended before it took a prompt. */
  #startFailure: string | undefined;
  #requestCount = 0;
  /** Changes that were asked for and not answered yet, as people would call them. */
  readonly #changes = new Map<string, string>();
  /** Called whenever the agent has become idle. */
  #onIdle: (() => void)[] = [];
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  readonly ended: Promise<AgentEnd>;

  constructor(bootstrap: Bootstrap, host: HarnessHost) {
    const { resume_session, fork_session } = bootstrap.config;
    const goesOnUnder = fork_session ? undefined : resume_session;
    this.#bootstrap = bootstrap;
    this.#host = host;
    this.#normalizer = new Normalizer({
      agentSessionId: goesOnUnder ?? this.#freshId,
      isResumed: resume_session !== undefined,
      permissionMode: bootstrap.config.permission_mode ?? "autonomous",
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get agentSessionId(): string {
    return this.#normalizer.agentSessionId;
  }

  get waiting(): Waiting {
    return this.#normalizer.waiting;
  }

  async start(): Promise<void> {
    const { session_dir, work_dir, limits, config } = this.#bootstrap;
    const isRoot = process.getuid?.() === 0;
    const home = this.#bootstrap.agent.env["HOME"];
    const instructions = findInstructions(config, { workDir: work_dir, home });
    const { command, env } = claudeCommand({
      bootstrap: this.#bootstrap,
      files: writePrivateFiles(this.#bootstrap),
      agents: instructions.agents ?? {},
      freshId: this.#freshId,
      isRoot,
    });
    const agentProcess = await startAgentProcess({
      command,
      env,
      workDir: work_dir,
      marks: marksOf(this.#bootstrap),
      sessionDir: session_dir,
      limits,
      host: this.#host,
      onLines: (batch) => this.#takeLines(batch),
      onStderrLines: (batch) => this.#takeStderr(batch),
    });
    this.#process = agentProcess;
    this.#host.setStatus({ agent_pid: agentProcess.pid, agent_session_id: this.agentSessionId });
    agentProcess.write(initializeLine(initializeId, instructions));
    void this.#finishAfter(agentProcess);
  }

  prompt({ text, turnId, images = [] }: { text: string; turnId: string; images?: readonly Image[] }): void {
    const uuid = randomUUID();
    this.#send({ uuid, text, images });
    this.#normalizer.prompted({ turnId, uuid }, this.#host.now());
    void this.#settle();
  }

  steer(steer: { text: string; turnId: string }): string {
    const turn = this.#normalizer.running;
    // A turn that was told to end is over as far as this message goes.
    if (!turn || turn.interrupt) {
      this.prompt(steer);
      return steer.turnId;
    }
    const uuid = randomUUID();
    // A tool may finish and the text is folded in behind it; words that are being written are cut.
    this.#send({ uuid, text: steer.text, isUrgent: !this.#normalizer.isRunningTools });
    this.#normalizer.steered(uuid);
    void this.#settle();
    return turn.id;
  }

  interrupt({ reason, detail }: { reason: InterruptReason; detail?: string }): void {
    if (!this.#normalizer.running) return;
    this.#normalizer.interrupted(reason, detail);
    this.#askToInterrupt();
  }

  respond(answer: InputAnswer & { requestId: string; by: string }): void {
    // An answer that cannot be written must not count as given.
    this.#running();
    this.#normalizer.responded(answer);
    void this.#settle();
  }

  setModel(model: string): void {
    this.#change(`model "${model}"`, (id) => setModelLine(id, model));
    this.#normalizer.modelChanged(model);
    void this.#settle();
  }

  setPermissionMode(mode: PermissionMode): void {
    this.#change(`permission mode "${mode}"`, (id) => setPermissionModeLine(id, mode));
    this.#normalizer.permissionMode = mode;
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
    const interrupt = () => {
      this.interrupt({ reason: reason === "timeout" ? "limit" : "stop", detail: reason });
      void this.#settle();
    };
    const asked = await this.#isIdleWithin(interrupt, idle);
    // Ending its input while a turn runs would let it go on to the turn's end.
    const waitMs = asked ? defaultStopWaits.inputEndMs : 0;
    await agentProcess.stop([{ act: agentProcess.endInput, waitMs }]);
  }

  async #isIdleWithin(act: () => void, idle: Promise<void>): Promise<boolean> {
    const agentProcess = this.#running();
    act();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), defaultStopWaits.interruptMs);
    });
    const isIdle = await Promise.race([idle.then(() => true), agentProcess.exited.then(() => true), late]);
    clearTimeout(timer);
    return isIdle;
  }

  #send(message: { uuid: string; text: string; images?: readonly Image[]; isUrgent?: boolean }): void {
    const context = this.#context.take();
    try {
      this.#running().write(userLine({ ...message, context }));
    } catch (error) {
      this.#context.restore(context);
      throw error;
    }
  }

  #askToInterrupt(): void {
    this.#tell(interruptLine(this.#nextRequestId()));
  }

  #change(what: string, lineOf: (requestId: string) => string): void {
    if (this.#changes.size >= changesMax) throw new Error(tooManyChanges);
    const id = this.#nextRequestId();
    this.#running().write(lineOf(id));
    this.#changes.set(id, what);
  }

  #nextRequestId(): string {
    this.#requestCount++;
    return `request-${this.#requestCount}`;
  }

  /** A change that the agent refuses was already taken for done. */
  #settleChanges(answered: readonly { id: string; refusal: string | undefined }[]): HarnessOutput[] {
    return answered.flatMap(({ id, refusal }) => {
      const what = this.#changes.get(id);
      if (what === undefined || !this.#changes.delete(id) || refusal === undefined) return [];
      const message = `claude did not take the ${what}: ${refusal}`;
      return [{ event: { type: "error", data: { code: "agent_failed", message, retryable: false } } }];
    });
  }

  async #takeLines({ oversized, lines }: LineBatch): Promise<void> {
    const now = this.#host.now();
    if (oversized) {
      this.#normalizer.add(oversizedLineEvent(oversized));
      const standIn = standInFor(oversized);
      if (standIn !== undefined) this.#normalizer.push(standIn, now);
    }
    for (const line of lines) this.#normalizer.push(line, now);
    await this.#settle();
  }

  async #takeStderr({ oversized, lines }: LineBatch): Promise<void> {
    if (oversized) this.#normalizer.add(oversizedLineEvent(oversized));
    for (const line of lines) this.#normalizer.stderr(line);
    await this.#settle();
  }

  /** Passes on what has come of lines and commands. Resolves when the events are stored. */
  async #settle(): Promise<void> {
    const { outputs, isStatusNew, replies, mustInterrupt, answered } = this.#normalizer.take();
    outputs.push(...this.#settleChanges(answered));
    const stored = outputs.length > 0 ? this.#host.emit(outputs) : undefined;
    const hello = this.#isReady ? undefined : answered.find(({ id }) => id === initializeId);
    const isFirst = hello !== undefined && !this.#lacksAgent(hello.agents);
    if (isFirst) this.#isReady = true;
    // Until it is ready it shows as starting, whatever waits for it already.
    if (this.#isReady && (isStatusNew || isFirst)) this.#host.setStatus(this.#normalizer.status);
    for (const reply of replies) this.#tell(reply);
    if (mustInterrupt) this.#askToInterrupt();
    if (!this.#normalizer.running) {
      const waiting = this.#onIdle;
      this.#onIdle = [];
      for (const resume of waiting) resume();
      if (this.#isFinishing && this.#normalizer.background === 0) this.#process?.endInput();
    }
    await stored;
  }

  /** An agent that is not there would be left out without a word (2.1.329), so it is the end of the session instead. */
  #lacksAgent(known: readonly string[] | undefined): boolean {
    const { agent_name: wanted } = this.#bootstrap.config;
    if (wanted === undefined || known?.includes(wanted)) return false;
    const found = known?.length ? known.slice(0, 20).join(", ") : "none";
    this.#startFailure = `Cannot begin with the custom agent ${JSON.stringify(wanted)}: claude does not have it; it has ${found}`;
    void this.#process?.stop();
    return true;
  }

  /** Writes what nobody asked for, and so nobody can be told of when the agent is no longer there to read it. */
  #tell(line: string): boolean {
    try {
      this.#process?.write(line);
      return true;
    } catch {
      return false;
    }
  }

  #running(): AgentProcess {
    if (!this.#process) throw new Error("claude has not been started");
    return this.#process;
  }

  async #finishAfter(agentProcess: AgentProcess): Promise<void> {
    const exit = await agentProcess.ended;
    this.#normalizer.end(this.#stopReason ?? endReason(exit), this.#host.now());
    const { outputs } = this.#normalizer.take();
    if (outputs.length > 0) await this.#host.emit(outputs);
    if (this.#startFailure !== undefined) {
      const detail = this.#startFailure;
      this.#resolveEnded({ code: 1, stderrTail: agentProcess.stderrTail, category: "invalid_request", detail });
      return;
    }
    const failure = exit.code === 0 ? undefined : this.#normalizer.failure;
    this.#resolveEnded({
      ...exit,
      stderrTail: agentProcess.stderrTail,
      ...(failure?.category ? { category: failure.category } : {}),
      ...(failure ? { detail: failure.message } : {}),
    });
  }
}

function endReason({ code, signal }: ProcessExit): string {
  return signal === undefined ? `the agent ended with code ${code}` : `the agent was ended by ${signal}`;
}
