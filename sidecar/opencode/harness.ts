/** OpenCode as one server for a whole session: prompts go in as requests, everything that happens comes as events. */
import { randomBytes, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultStopWaits } from "../../src/process/stop-ladder.ts";
import type { Image } from "../../src/protocol/agent-options.ts";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import type { ContextItem, InputAnswer, InterruptReason, MentionItem } from "../../src/protocol/command.ts";
import { messageOf } from "../../src/protocol/error.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import type { AgentProcess, LineBatch, ProcessExit } from "../agent-process.ts";
import { oversizedLineEvent } from "../blob-store.ts";
import { contextBlock, mentionBlock, PendingContext } from "../context-blocks.ts";
import { plainLine, serverFailed } from "../facts.ts";
import { errorEvent, type Failure } from "../failure.ts";
import type { AgentEnd, Harness, HarnessHost, Waiting } from "../harness.ts";
import { Api } from "./api.ts";
import { Conversation, Refusal } from "./conversation.ts";
import { endsWithin, within } from "./deadline.ts";
import type { EventBatch } from "./event-stream.ts";
import { instructionFiles } from "./instruction-files.ts";
import { LiveEvents } from "./live-events.ts";
import { type ModelId, modelIdOf, modelName, unknownModel } from "./model-choice.ts";
import { Normalizer } from "./normalize.ts";
import { preparePrivateHome, privateFolders } from "./private-home.ts";
import { RequestLine } from "./request-line.ts";
import { startServer } from "./server-process.ts";
import { serveSettings, sessionRules } from "./settings.ts";
import { reportedAnswer, writeStatusPlugin } from "./status-plugin.ts";
import type { Turn } from "./turn.ts";

export function createOpencodeHarness(bootstrap: Bootstrap, host: HarnessHost): Harness {
  return new OpencodeHarness(bootstrap, host);
}

interface Prompt {
  text: string;
  turnId: string;
  images: readonly Image[];
  context: string[];
}

const disposeMs = 2_000;
/** An abort that comes before the run has begun meets nothing. */
const abortAgainMs = 1_500;
const abortsMax = 5;
/** Events that were sent before the process ended are in our socket by now. */
const lastEventsMs = 1_000;

class OpencodeHarness implements Harness {
  readonly #bootstrap: Bootstrap;
  readonly #host: HarnessHost;
  readonly #normalizer: Normalizer;
  readonly #context = new PendingContext();
  readonly #password = randomBytes(24).toString("base64url");
  /** Prompts of clients that do not wait for the turn's end. */
  readonly #queue: Prompt[] = [];
  #process: AgentProcess | undefined;
  #api: Api | undefined;
  #live: LiveEvents | undefined;
  #opening: Promise<Conversation> | undefined;
  #models: ReadonlySet<string> | undefined;
  #model: ModelId | undefined;
  readonly #line = new RequestLine(() => this.#opening);
  #isReady = false;
  /** The first status after the start was told: it may be no other than the one before. */
  #hasStatus = false;
  /** The turn that is being aborted. */
  #aborting: Turn | undefined;
  #isFinishing = false;
  #isClosing = false;
  #stopReason: string | undefined;
  #openFailure: Failure | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #onIdle: (() => void)[] = [];
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  readonly ended: Promise<AgentEnd>;

  constructor(bootstrap: Bootstrap, host: HarnessHost) {
    this.#bootstrap = bootstrap;
    this.#host = host;
    const { config } = bootstrap;
    const { retriesMax, model } = this.#settings(0, "");
    this.#model = model;
    this.#normalizer = new Normalizer({
      permissionMode: config.permission_mode ?? "autonomous",
      retriesMax,
      stepsMax: config.max_turns,
    });
    // Until the program has told of its own.
    this.#normalizer.servers = (config.mcp_servers ?? []).map(({ name }) => name);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get agentSessionId(): string | undefined {
    return this.#normalizer.agentSessionId ?? this.#bootstrap.config.resume_session;
  }

  get waiting(): Waiting {
    return this.#normalizer.waiting;
  }

  async start(): Promise<void> {
    const folders = privateFolders(this.#bootstrap.agent.env);
    if (folders) preparePrivateHome(folders);
    const { instructions } = this.#bootstrap.config;
    if (instructions !== undefined) writeFileSync(this.#instructionsFile, instructions, { mode: 0o600 });
    const plugin = writeStatusPlugin(this.#bootstrap.session_dir);
    const started = await startServer({
      bootstrap: this.#bootstrap,
      host: this.#host,
      settings: (port) => this.#settings(port, plugin),
      onProcess: (agentProcess) => {
        this.#process = agentProcess;
        this.#host.setStatus({ agent_pid: agentProcess.pid });
        if (this.#stopReason !== undefined) void agentProcess.stop([]);
      },
      onStdoutLines: (batch) => this.#takeStdout(batch),
      onStderrLines: (batch) => this.#takeStderr(batch),
    });
    void this.#finishAfter(started.process);
    if (started.url === undefined) return;
    this.#api = new Api({ url: started.url, password: this.#password });
    this.#live = this.#follow(this.#api, started.process);
    this.#opening = this.#open(this.#api, this.#live);
    // Whoever needs the conversation hears of its failure; nobody may.
    this.#opening.catch((error: unknown) => this.#failToOpen(error));
  }

  prompt({ text, turnId, images = [] }: { text: string; turnId: string; images?: readonly Image[] }): void {
    this.#running();
    const prompt = { text, turnId, images, context: this.#context.take() };
    if (this.#normalizer.running) this.#queue.push(prompt);
    else this.#begin(prompt);
    void this.#settle();
  }

  steer(steer: { text: string; turnId: string }): string {
    this.#running();
    const turn = this.#normalizer.running;
    // A turn that was told to end is over as far as this message goes.
    if (!turn || turn.interrupt || turn.isGivenUp) {
      this.prompt(steer);
      return steer.turnId;
    }
    const inputId = randomUUID();
    this.#normalizer.steered(inputId);
    this.#send(inputId, { text: steer.text, images: [], context: this.#context.take() });
    return turn.id;
  }

  interrupt({ reason, detail }: { reason: InterruptReason; detail?: string }): void {
    if (!this.#normalizer.running) return;
    this.#normalizer.interrupted(reason, detail);
    void this.#abort();
  }

  respond({ requestId, by, ...answer }: InputAnswer & { requestId: string; by: string }): void {
    const reply = this.#normalizer.respond(requestId, answer, by);
    void this.#do(`answer ${requestId}`, (conversation) => conversation.reply(reply));
    void this.#settle();
  }

  setModel(model: string): void {
    const asked = modelIdOf(model, this.#bootstrap.agent.env);
    if (!this.#isKnown(asked)) throw new Error(unknownModel(asked).message);
    this.#model = asked;
  }

  setPermissionMode(mode: PermissionMode): void {
    this.#normalizer.permissionMode = mode;
    void this.#do("change the permissions", (conversation) =>
      conversation.setRules(sessionRules(this.#bootstrap, mode)),
    );
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
    this.#queue.length = 0;
    if (this.#normalizer.running && this.#isReady) {
      const idle = new Promise<void>((resolve) => this.#onIdle.push(resolve));
      this.interrupt({ reason: reason === "timeout" ? "limit" : "stop", detail: reason });
      await within(Promise.race([idle, agentProcess.exited]), defaultStopWaits.interruptMs);
    }
    await this.#close(agentProcess);
  }

  /** Its tools are in groups of their own and outlive a signal to it: it has to end them before it gets one. */
  async #close(agentProcess: AgentProcess): Promise<void> {
    this.#isClosing = true;
    const api = this.#api;
    if (!api) {
      await agentProcess.stop([]);
      return;
    }
    // When it does not answer, the ladder's next rung is the answer.
    const disposed = api.call("POST", "/global/dispose", {}, disposeMs).catch(() => undefined);
    await agentProcess.stop([{ act: () => undefined, waitMs: disposeMs, until: disposed }]);
  }

  #settings(port: number, plugin: string) {
    const { config, work_dir } = this.#bootstrap;
    const own = config.instructions === undefined ? [] : [this.#instructionsFile];
    const instructions = [...instructionFiles(config, work_dir), ...own];
    return serveSettings({ bootstrap: this.#bootstrap, port, password: this.#password, plugin, instructions });
  }

  /** The request's own instructions, in the session's private run folder. */
  get #instructionsFile(): string {
    return join(dirname(this.#bootstrap.socket_path), "instructions.md");
  }

  async #open(api: Api, live: LiveEvents): Promise<Conversation> {
    await live.connect();
    const { agent, config, session_id, work_dir } = this.#bootstrap;
    const isPrivate = privateFolders(agent.env) !== undefined;
    const conversation = await Conversation.open(api, { config, title: session_id, workDir: work_dir, isPrivate });
    this.#normalizer.opened(conversation.id);
    // The rules of the server's start hold until a session has its own, and a resumed one has kept those of its last mode.
    if (config.resume_session !== undefined)
      await conversation.setRules(sessionRules(this.#bootstrap, config.permission_mode ?? "autonomous"));
    const model = this.#model ? { model: modelName(this.#model) } : {};
    const data = { subtype: "init", session_id: conversation.id, cwd: work_dir, ...model };
    this.#normalizer.add({ type: "system", data });
    if (config.agent_name !== undefined) await expectAgent(conversation, config.agent_name);
    const learning = this.#learn(conversation);
    // A model that it does not know is refused by us, in better words.
    if (this.#model) await learning;
    this.#isReady = true;
    void this.#settle();
    return conversation;
  }

  #isKnown(model: ModelId): boolean {
    return this.#models === undefined || this.#models.has(modelName(model));
  }

  /** What only makes things nicer, and may be late or missing. */
  async #learn(conversation: Conversation): Promise<void> {
    try {
      const servers = await conversation.servers();
      this.#normalizer.servers = servers.map(({ name }) => name);
      for (const { name, failure } of servers)
        if (failure !== undefined) this.#normalizer.add(serverFailed(name, failure));
      this.#models = await conversation.models();
    } catch (error) {
      if (!this.#isClosing) await this.#say(`Cannot ask opencode what it offers: ${messageOf(error)}`);
    }
  }

  #follow(api: Api, agentProcess: AgentProcess): LiveEvents {
    return new LiveEvents({
      api,
      agentProcess,
      lineBytesMax: this.#bootstrap.limits.lineBytesMax,
      onEvents: (batch) => this.#takeEvents(batch),
      isClosing: () => this.#isClosing,
      missed: async () => {
        const turn = this.#normalizer.running;
        const conversation = await this.#opening;
        return turn && conversation ? conversation.missed(turn.startedAt) : [];
      },
      onLost: (error) =>
        this.#giveUp({ message: `Cannot follow opencode any more: ${messageOf(error)}`, category: "agent_crash" }),
    });
  }

  async #failToOpen(error: unknown): Promise<void> {
    if (this.#isClosing || (this.#process && (await endsWithin(this.#process, lastEventsMs)))) return;
    if (!(error instanceof Refusal)) return this.#giveUp({ message: messageOf(error), category: "agent_crash" });
    this.#giveUp({ ...error.failure, category: error.failure.category ?? "startup_crash" });
  }

  #giveUp(failure: Failure): void {
    this.#openFailure = failure;
    this.#normalizer.add(errorEvent(failure, undefined));
    void this.#settle();
    if (this.#process) void this.#close(this.#process);
  }

  #begin({ text, turnId, images, context }: Prompt): void {
    const inputId = randomUUID();
    this.#normalizer.prompted({ turnId, inputId }, this.#host.now());
    this.#send(inputId, { text, images, context });
  }

  #send(inputId: string, said: Omit<Prompt, "turnId">): void {
    const model = this.#model;
    const { effort, agent_name: agent, output_schema: schema } = this.#bootstrap.config;
    const send = async (conversation: Conversation) => {
      if (model && !this.#isKnown(model)) throw new Refusal(unknownModel(model));
      await conversation.send({ inputId, ...said, model, effort, agent, schema });
    };
    void this.#line.add(send, (error) => {
      // Of a server that is going away the end of the turn comes with the end of the process.
      if (this.#isClosing || this.#openFailure) return;
      const failure = error instanceof Refusal ? error.failure : { message: messageOf(error), category: undefined };
      this.#normalizer.refused(inputId, failure, this.#host.now());
      void this.#settle();
    });
  }

  /** A request whose failure is told, and changes nothing else. */
  #do(what: string, act: (conversation: Conversation) => Promise<void>): Promise<void> {
    return this.#line.add(act, async (error) => {
      if (!this.#isClosing && !this.#openFailure) await this.#say(`Cannot ${what}: ${messageOf(error)}`);
    });
  }

  async #abort(): Promise<void> {
    const turn = this.#normalizer.running;
    // Asked for again while it is under way, it is no other abort.
    if (!turn || turn === this.#aborting) return;
    this.#aborting = turn;
    for (let count = 0; count < abortsMax && this.#normalizer.running === turn; count++) {
      const idle = new Promise<void>((resolve) => this.#onIdle.push(resolve));
      await this.#do("interrupt", (conversation) => conversation.abort());
      await within(idle, abortAgainMs);
    }
    if (this.#aborting === turn) this.#aborting = undefined;
  }

  async #say(message: string): Promise<void> {
    this.#normalizer.add({ type: "error", data: { code: "agent_failed", message, retryable: false } });
    await this.#settle();
  }

  async #takeEvents({ events, oversized }: EventBatch): Promise<void> {
    if (oversized) this.#normalizer.add(oversizedLineEvent(oversized));
    const now = this.#host.now();
    for (const event of events) this.#normalizer.push(event, now);
    await this.#settle();
  }

  async #takeStdout({ oversized, lines }: LineBatch): Promise<void> {
    if (oversized) this.#normalizer.add(oversizedLineEvent(oversized));
    for (const line of lines) if (line.trim() !== "") this.#normalizer.add(plainLine("stdout_raw", line));
    await this.#settle();
  }

  async #takeStderr({ oversized, lines }: LineBatch): Promise<void> {
    if (oversized) this.#normalizer.add(oversizedLineEvent(oversized));
    for (const line of lines) {
      const answer = reportedAnswer(line);
      if (answer) this.#normalizer.serviceAnswered(answer);
      else if (line.trim() !== "") this.#normalizer.add(plainLine("stderr", line));
    }
    await this.#settle();
  }

  /** Passes on what has come of events and commands. Resolves when our events are stored. */
  async #settle(): Promise<void> {
    const { outputs, isStatusNew, replies, isGivingUp } = this.#normalizer.take();
    const stored = outputs.length > 0 ? this.#host.emit(outputs) : undefined;
    // Until it is ready it shows as starting, whatever waits for it already.
    if (this.#isReady && (isStatusNew || !this.#hasStatus)) {
      this.#hasStatus = true;
      this.#host.setStatus(this.#normalizer.status);
    }
    for (const reply of replies) void this.#do("answer a question", (conversation) => conversation.reply(reply));
    if (isGivingUp) void this.#abort();
    this.#watchDeadline();
    if (!this.#normalizer.running) this.#becameIdle();
    await stored;
  }

  #becameIdle(): void {
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resume of waiting) resume();
    const next = this.#isClosing ? undefined : this.#queue.shift();
    if (next) {
      this.#begin(next);
      void this.#settle();
    } else if (this.#isFinishing && this.#isReady && !this.#isClosing && this.#process) void this.#close(this.#process);
  }

  #watchDeadline(): void {
    clearTimeout(this.#deadline);
    const { deadline } = this.#normalizer;
    if (deadline === undefined) return;
    this.#deadline = setTimeout(
      () => {
        this.#normalizer.tick(this.#host.now());
        void this.#settle();
      },
      Math.max(0, deadline - this.#host.now()) + 1,
    );
  }

  #running(): void {
    if (!this.#process || this.#isClosing) throw new Error("opencode does not run, or is about to end");
  }

  async #finishAfter(agentProcess: AgentProcess): Promise<void> {
    const exit = await agentProcess.ended;
    await this.#live?.endWithin(lastEventsMs);
    const wasClosing = this.#isClosing;
    this.#isClosing = true;
    this.#live?.close();
    clearTimeout(this.#deadline);
    this.#normalizer.end(this.#stopReason ?? this.#openFailure?.message ?? endReason(exit), this.#host.now());
    const { outputs } = this.#normalizer.take();
    if (outputs.length > 0) await this.#host.emit(outputs);
    for (const resume of this.#onIdle) resume();
    this.#resolveEnded(this.#endOf(exit, { wasClosing, stderrTail: agentProcess.stderrTail }));
  }

  #endOf(exit: ProcessExit, { wasClosing, stderrTail }: { wasClosing: boolean; stderrTail: string }): AgentEnd {
    const failure = this.#openFailure ?? this.#normalizer.failure;
    // A signal is how this server is told to end: what it dies of then says nothing.
    const end = wasClosing ? { code: failure ? 1 : 0 } : exit;
    if (end.code === 0 || !failure) return { ...end, stderrTail };
    return { ...end, stderrTail, detail: failure.message, ...(failure.category ? { category: failure.category } : {}) };
  }
}

function endReason({ code, signal }: ProcessExit): string {
  return signal === undefined ? `the agent ended with code ${code}` : `the agent was ended by ${signal}`;
}

/** Given to one that is not there, a prompt would end without a word of use (1.18.33). */
async function expectAgent(conversation: Conversation, name: string): Promise<void> {
  const known = await conversation.agents();
  if (known.includes(name)) return;
  const found = known.slice(0, 20).join(", ");
  const message = `Cannot begin with the custom agent ${JSON.stringify(name)}: opencode does not have it; it has ${found}`;
  throw new Refusal({ message, category: "invalid_request" });
}
