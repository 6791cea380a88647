/** Codex as one `codex app-server` for a whole session: a thread of its own, a turn for each prompt. */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { marksOf } from "../../src/process/session-marks.ts";
import { defaultStopWaits } from "../../src/process/stop-ladder.ts";
import type { Image } from "../../src/protocol/agent-options.ts";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import type { ContextItem, InputAnswer, InterruptReason, MentionItem } from "../../src/protocol/command.ts";
import type { ErrorCategory } from "../../src/protocol/event.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { type AgentProcess, type LineBatch, type ProcessExit, startAgentProcess } from "../agent-process.ts";
import { oversizedLineEvent } from "../blob-store.ts";
import { contextBlock, mentionBlock, PendingContext } from "../context-blocks.ts";
import type { AgentEnd, Harness, HarnessHost, Waiting } from "../harness.ts";
import { codexCommand } from "./args.ts";
import { allInstructions } from "./instructions.ts";
import { Interruption } from "./interruption.ts";
import { type Effects, Normalizer } from "./normalize.ts";
import { Opening } from "./opening.ts";
import {
  instructionsLine,
  permissions,
  request,
  steerLine,
  type TurnSettings,
  textInput,
  threadLine,
  turnLine,
} from "./requests.ts";
import { type Steer, Steers } from "./steers.ts";
import type { Turn } from "./turn-book.ts";

export function createCodexHarness(bootstrap: Bootstrap, host: HarnessHost): Harness {
  return new CodexHarness(bootstrap, host);
}

class CodexHarness implements Harness {
  readonly #bootstrap: Bootstrap;
  readonly #host: HarnessHost;
  readonly #normalizer: Normalizer;
  readonly #context = new PendingContext();
  readonly #settings: TurnSettings = {};
  #process: AgentProcess | undefined;
  readonly #opening: Opening;
  #startFailure: { message: string; category: ErrorCategory } | undefined;
  #isFinishing = false;
  #stopReason: string | undefined;
  #requestCount = 0;
  /** Prompts that came before the thread was there. */
  #unsent: { turn: Turn; input: object[] }[] = [];
  readonly #steers: Steers;
  readonly #interruption: Interruption;
  /** Called whenever the agent has become idle. */
  #onIdle: (() => void)[] = [];
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  readonly ended: Promise<AgentEnd>;

  constructor(bootstrap: Bootstrap, host: HarnessHost) {
    const { effort, max_turns, permission_mode, output_schema } = bootstrap.config;
    this.#bootstrap = bootstrap;
    this.#host = host;
    if (effort !== undefined) this.#settings.effort = effort;
    if (output_schema !== undefined) this.#settings.outputSchema = output_schema;
    this.#normalizer = new Normalizer({
      isStructured: output_schema !== undefined,
      permissionMode: permission_mode ?? "autonomous",
      ...(max_turns === undefined ? {} : { roundsMax: max_turns }),
    });
    this.#opening = new Opening({
      servers: (bootstrap.config.mcp_servers ?? []).map(({ name }) => name),
      onReady: () => {
        void this.#settle();
        host.setStatus(this.#normalizer.status);
      },
      isResuming: bootstrap.config.resume_session !== undefined,
      threadLine: (id) => {
        const { work_dir: workDir, config } = bootstrap;
        return threadLine(id, { workDir, config, instructions: allInstructions(config, workDir) });
      },
      instructionsLine: (id, threadId) => {
        const { instructions, resume_session } = bootstrap.config;
        return resume_session === undefined || instructions === undefined
          ? undefined
          : instructionsLine(id, threadId, instructions);
      },
      tell: (line, asked) => {
        if (asked) this.#normalizer.asked(asked, asked);
        this.#tell(line);
      },
      threadId: () => this.#normalizer.threadId,
      onFailed: (failure) => this.#failToStart(failure),
    });
    this.#steers = new Steers({ send: (steer) => this.#sendSteer(steer) });
    this.#interruption = new Interruption({
      tell: (method, params) => this.#tell(request(this.#newId("end"), method, params)),
      onLetGo: () => {
        this.#normalizer.letGo(host.now());
        void this.#settle();
      },
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get agentSessionId(): string | undefined {
    return this.#normalizer.threadId;
  }

  get waiting(): Waiting {
    return this.#normalizer.waiting;
  }

  async start(): Promise<void> {
    const { session_dir, work_dir, limits } = this.#bootstrap;
    const { command, env } = codexCommand(this.#bootstrap);
    // Codex refuses to start in a home that is named and not there.
    if (env["CODEX_HOME"]) mkdirSync(env["CODEX_HOME"], { recursive: true, mode: 0o700 });
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
    this.#host.setStatus({ agent_pid: agentProcess.pid });
    this.#opening.begin();
    void this.#finishAfter(agentProcess);
  }

  prompt({ text, turnId, images }: { text: string; turnId: string; images?: readonly Image[] }): void {
    const turnOf = () => this.#normalizer.prompted(turnId, this.#host.now());
    this.#withContext({ text, images }, (input) => {
      if (this.#opening.isReady) this.#begin(input, turnOf);
      else this.#unsent.push({ turn: turnOf(), input });
    });
    void this.#settle();
  }

  steer(steer: { text: string; turnId: string }): string {
    const turn = this.#normalizer.running;
    // A turn that was told to end is over as far as this message goes.
    if (!turn || turn.interrupt || turn.refusal) {
      this.prompt(steer);
      return steer.turnId;
    }
    this.#withContext(steer, (input) => this.#steers.add(turn, input));
    void this.#settle();
    return turn.id;
  }

  interrupt({ reason, detail }: { reason: InterruptReason; detail?: string }): void {
    if (!this.#normalizer.running) return;
    this.#normalizer.interrupted(reason, detail);
    for (const { turn } of this.#unsent) this.#normalizer.dropped(turn, this.#host.now());
    this.#unsent = [];
    void this.#settle();
  }

  respond({ requestId, ...answer }: InputAnswer & { requestId: string; by: string }): void {
    const note = this.#normalizer.responded(requestId, answer);
    const turn = this.#normalizer.running;
    // Codex takes a no without a reason; the reason follows as a message of the person's.
    if (note !== undefined && turn) this.#attempt(() => this.#steers.add(turn, textInput([], note)));
    void this.#settle();
  }

  setModel(model: string): void {
    this.#settings.model = model;
    const { threadId } = this.#normalizer;
    const turnId = this.#normalizer.running?.codexId;
    if (threadId !== undefined && turnId !== undefined)
      this.#tell(request(this.#newId("settings"), "turn/settings/update", { threadId, turnId, model }));
  }

  /** Codex asks by the policy of the turn, so it holds from the next turn on; what is still asked of us is decided at once. */
  setPermissionMode(mode: PermissionMode): void {
    this.#normalizer.permissionMode = mode;
    this.#settings.approvalPolicy = permissions(mode).approvalPolicy;
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
    await this.#idleWithin(agentProcess, () => {
      this.interrupt({ reason: reason === "timeout" ? "limit" : "stop", detail: reason });
      void this.#settle();
    });
    await agentProcess.stop([{ act: agentProcess.endInput, waitMs: defaultStopWaits.inputEndMs }]);
  }

  async #idleWithin(agentProcess: AgentProcess, act: () => void): Promise<void> {
    const idle = new Promise<void>((resolve) => this.#onIdle.push(resolve));
    act();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, defaultStopWaits.interruptMs);
    });
    await Promise.race([idle, agentProcess.exited, late]);
    clearTimeout(timer);
  }

  /** Context rides with the next message; one that cannot be sent leaves it where it was. */
  #withContext(
    { text, images }: { text: string; images?: readonly Image[] | undefined },
    send: (input: object[]) => void,
  ): void {
    const context = this.#context.take();
    try {
      send(textInput(context, text, images));
    } catch (error) {
      this.#context.restore(context);
      throw error;
    }
  }

  #begin(input: object[], turnOf: () => Turn): void {
    const id = this.#newId("turn");
    const threadId = this.#normalizer.threadId ?? "";
    this.#running().write(turnLine(id, { threadId, messageId: randomUUID(), input, settings: this.#settings }));
    this.#normalizer.prompting(id, turnOf());
  }

  #sendSteer(steer: Steer): string {
    const id = this.#newId("steer");
    this.#running().write(steerLine(id, { threadId: this.#normalizer.threadId ?? "", ...steer }));
    this.#normalizer.steered(steer.messageId);
    return id;
  }

  async #takeLines({ oversized, lines }: LineBatch): Promise<void> {
    if (oversized) this.#normalizer.add(oversizedLineEvent(oversized));
    const now = this.#host.now();
    for (const line of lines) this.#normalizer.push(line, now);
    await this.#settle();
  }

  async #takeStderr({ oversized, lines }: LineBatch): Promise<void> {
    if (oversized) this.#normalizer.add(oversizedLineEvent(oversized));
    for (const line of lines) this.#normalizer.stderr(line);
    await this.#settle();
  }

  /** Passes on what has come of lines and commands, and does what follows from it. Resolves when the events are stored. */
  async #settle(): Promise<void> {
    const effects = this.#normalizer.take();
    const stored = effects.outputs.length > 0 ? this.#host.emit(effects.outputs) : undefined;
    for (const line of effects.lines) this.#tell(line);
    const wasReady = this.#opening.isReady;
    this.#takeReplies(effects.replies);
    for (const name of effects.servers) this.#opening.serverSettled(name);
    const isReady = this.#opening.isReady;
    this.#interruption.settle(this.#normalizer.running, this.#normalizer.codexTurns);
    if (isReady) this.#sendWaiting();
    // Until it is ready it shows as starting, whatever waits for it already.
    if (isReady && (effects.isStatusNew || !wasReady)) this.#host.setStatus(this.#normalizer.status);
    if (!this.#normalizer.running && !this.#steers.isLeftOver) this.#becameIdle();
    await stored;
  }

  #becameIdle(): void {
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resume of waiting) resume();
    const isDone = this.#opening.isReady && this.#normalizer.status.background === 0;
    if (this.#isFinishing && isDone) this.#process?.endInput();
  }

  #takeReplies(replies: Effects["replies"]): void {
    for (const reply of replies) {
      this.#opening.replied(reply);
      this.#attempt(() => this.#steers.replied(reply.id, reply.error !== undefined, this.#normalizer.running));
    }
  }

  #failToStart(failure: { message: string; category: ErrorCategory }): void {
    this.#startFailure = failure;
    this.#unsent = [];
    this.#normalizer.failed(failure, this.#host.now());
    void this.#process?.stop();
    void this.#settle();
  }

  /** What waited for the thread, for the name of a turn, or for the end of one. */
  #sendWaiting(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const { turn, input } of unsent) this.#attempt(() => this.#begin(input, () => turn));
    const turn = this.#normalizer.running;
    const codexId = turn?.codexId;
    if (codexId !== undefined) this.#attempt(() => this.#steers.sendEarly(codexId));
    const next = turn ? undefined : this.#steers.takeLeftOver();
    if (next) this.#attempt(() => this.#begin(next, () => this.#normalizer.continued(this.#host.now())));
  }

  #newId(what: string): string {
    this.#requestCount++;
    return `${what}-${this.#requestCount}`;
  }

  /** Does what nobody asked for just now, and so nobody can be told of when the agent is no longer there to hear it. */
  #attempt(act: () => void): void {
    try {
      act();
    } catch {
      // Its end is on its way and closes every turn.
    }
  }

  #tell(line: string): void {
    this.#attempt(() => this.#running().write(line));
  }

  #running(): AgentProcess {
    if (!this.#process) throw new Error("codex has not been started");
    return this.#process;
  }

  async #finishAfter(agentProcess: AgentProcess): Promise<void> {
    const exit = await agentProcess.ended;
    this.#opening.close();
    this.#interruption.close();
    this.#normalizer.end(this.#stopReason ?? endReason(exit), this.#host.now());
    const { outputs } = this.#normalizer.take();
    if (outputs.length > 0) await this.#host.emit(outputs);
    const failure = this.#startFailure ?? this.#normalizer.failure;
    this.#resolveEnded({
      ...exit,
      // It ends well when its input ends, also when it never got as far as a thread or its last turn has failed.
      code: failure && exit.code === 0 ? 1 : exit.code,
      stderrTail: agentProcess.stderrTail,
      ...(failure?.category ? { category: failure.category } : {}),
      ...(failure ? { detail: failure.message } : {}),
    });
  }
}

function endReason({ code, signal }: ProcessExit): string {
  return signal === undefined ? `the agent ended with code ${code}` : `the agent was ended by ${signal}`;
}
