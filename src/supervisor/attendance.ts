/**
 * The life of one session: its sidecar, the link to it, its turns, its end. One attendance per live session; it
 * is over when the session's log is sealed.
 */

import type { Image, StoredImage } from "../protocol/agent-options.ts";
import type { HarnessName } from "../protocol/bootstrap.ts";
import { capabilities } from "../protocol/capabilities.ts";
import type { ContextItem, InputAnswer, MentionItem } from "../protocol/command.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError, isDiskFull, messageOf } from "../protocol/error.ts";
import type { EventOf, SessionEvent, TurnStatus } from "../protocol/event.ts";
import type { SessionChange } from "../protocol/http.ts";
import type { SidecarStatus } from "../protocol/link-frame.ts";
import type { EndReason, QueuedPrompt, SessionActivity } from "../protocol/session.ts";
import type { SidecarHandle } from "../runtime/runtime.ts";
import { Budget } from "../session/budget.ts";
import { readImages, removeImages, storeImages } from "../session/images.ts";
import { abortedInputs, readInputs } from "../session/inputs.ts";
import { looseEndsOf } from "../session/loose-ends.ts";
import { openTurnsOf } from "../session/open-turns.ts";
import type { Session, SessionObserver } from "../session/session.ts";
import type { Prompt, TurnQueue } from "../session/turn-queue.ts";
import { endReasonOf, faultLoss, type Loss, lossError, lossExit, ownResult } from "./ending.ts";
import { Link } from "./link.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface AttendanceOptions {
  session: Session;
  queue: TurnQueue;
  queueLengthMax: number;
  harness: HarnessName;
  /** Lines of a sidecar that died, after this count, from what it left on disk. */
  readSpool(afterSeq: number): AsyncIterable<Buffer>;
  /** Ends whatever a dead sidecar's agent left running. */
  sweep(): Promise<void>;
  /** Something that the record on disk holds has changed. */
  onChanged(): void;
  /** Something of ours failed while the session ended; it ends all the same. */
  onFault(error: unknown): void;
  /** The session has ended and its log is sealed. */
  onEnded(): void;
}

/** How long the ladder of the sidecar may take before we end it by force. */
const stopMs = 15_000;
/** How long an agent may take until it can be prompted. */
const startMs = 120_000;
/** Bytes on their way into the file before the sidecar is asked to wait. */
const pendingBytesMax = 8 * 1024 * 1024;

export class Attendance implements SessionObserver {
  readonly session: Session;
  readonly #options: AttendanceOptions;
  readonly #queue: TurnQueue;
  readonly #budget: Budget;
  /** Prompts whose images are on their way to the disk. */
  #accepting = 0;
  #link: Link | undefined;
  #handle: SidecarHandle | undefined;
  #status: SidecarStatus = { activity: "starting", turn_id: null, background: 0 };
  /** It ends when no turn is open or queued. */
  #isDraining: boolean;
  /** Someone asked for that: no more prompts are taken. */
  #isClosing = false;
  #hasFinished = false;
  #stopTimer: NodeJS.Timeout | undefined;
  /** Until the sidecar's lines are here up to this count, a result may still be on its way: no prompt is given out. */
  #catchUpTo = 0;
  #exit: EventOf<"exit">["data"] | undefined;
  #isEnding = false;
  /** A next daemon goes on with it. */
  #isReleased = false;
  #hasLeft = false;
  #sessionWatch: Stopwatch | undefined;
  #turnWatch: { turnId: string; watch: Stopwatch } | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  #resolveOver: () => void = () => undefined;
  /** Resolves when the session has ended, its log is sealed and nothing of it is left. */
  readonly over: Promise<void>;

  constructor(options: AttendanceOptions) {
    this.#options = options;
    this.session = options.session;
    this.#queue = options.queue;
    this.#budget = new Budget(options.session.spec.max_budget_usd);
    this.#isDraining = !options.session.spec.interactive;
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve;
    });
    const timeoutMs = options.session.spec.timeout_ms;
    if (timeoutMs !== undefined) this.#sessionWatch = new Stopwatch(timeoutMs, () => this.stop("now", "timeout"));
  }

  get openTurn(): string | undefined {
    return this.#queue.open ?? this.#status.turn_id ?? undefined;
  }

  get queued(): QueuedPrompt[] {
    return this.#queue.list();
  }

  get activity(): SessionActivity {
    if (this.session.isPaused) return "paused";
    if (this.session.inputs.open.length > 0) return "awaiting_input";
    switch (this.#status.activity) {
      case "retrying":
        return "retrying";
      case "awaiting_input":
        return "awaiting_input";
      case "idle":
      case "ended":
        return this.#queue.isEmpty ? "idle" : "busy";
      case "busy":
        return "busy";
      case "starting":
        return this.#queue.isEmpty ? "idle" : "busy";
      default:
        return this.#status.activity satisfies never;
    }
  }

  /** Takes over a sidecar: a new one, or one that an earlier daemon left. */
  attend(handle: SidecarHandle, options: { isAdopted: boolean }): void {
    if (this.#isReleased) return;
    this.#handle = handle;
    this.session.apply({ type: "launched", isAdopted: options.isAdopted });
    this.#link = new Link({
      socketPath: handle.address.socket_path,
      token: handle.address.token,
      after: () => this.session.sidecarSeq,
      onBatch: (batch) => this.#onBatch(batch),
      onHello: ({ newest, lastTurn, status }) => {
        this.#catchUpTo = newest;
        this.#queue.countAtLeast(lastTurn);
        // A log that held the exit already when we came: the sidecar waits to hear that.
        if (this.#isEnding) this.#link?.tell({ type: "ack", data: { sidecar_seq: this.session.sidecarSeq } });
        if (this.session.isPaused) this.#link?.tell({ type: "pause", data: { reason: "the disk is full" } });
        this.#onStatus(status);
      },
      onStatus: (status) => this.#onStatus(status),
      onStorage: ({ paused }) => this.session.pauseForSidecar(paused),
      onLost: (reason) => this.#ending(() => this.#onLost(`the link broke: ${reason}`)),
    });
    void handle.gone.then(({ code, signal }) => {
      if (!this.#exit && !this.#isReleased)
        this.#ending(() => this.#onLost(`its process ended with ${signal ?? `code ${code}`}`));
    });
    if (this.session.state.at === "stopping") this.#askToStop(this.session.state.reason);
    this.#options.onChanged();
    // A session adopted in mid-start gets the whole time again; nobody is hurt by that.
    this.#startTimer = setTimeout(() => this.stop("now", "launch_failed"), startMs);
    const exit = this.#exit;
    if (exit) this.#ending(() => this.#finishEnding(exit));
  }

  /** What had been asked of the session before a restart. */
  restoreIntent(intent: { isClosing: boolean; stopReason: EndReason | undefined }): void {
    if (intent.isClosing) this.#close();
    if (intent.stopReason !== undefined) this.session.apply({ type: "stop", reason: intent.stopReason });
  }

  /** Whether it was asked to end when its turns have. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  #close(): void {
    this.#isDraining = true;
    this.#isClosing = true;
  }

  /** Its sidecar could not be started: nothing of it will be kept. */
  abandon(): void {
    this.#resolveOver();
  }

  /** Finds out from the log which turns have no result yet: they are the open one and the queue. */
  async restore(): Promise<void> {
    const { count, prompts, totals } = await openTurnsOf(this.session, (result) => this.#budget.note(result));
    this.#queue.restore(count, prompts);
    this.session.restoreTotals(totals);
    await readInputs(this.session, this.session.inputs);
  }

  /** A sidecar of an earlier daemon that is gone: what it left is taken in, and the session ends. */
  async adoptDead(): Promise<void> {
    this.session.apply({ type: "launched", isAdopted: true });
    this.#ending(() => this.#onLost("it was gone when the daemon came back"));
    await this.over;
  }

  /** Accepts a prompt: it is in the log when this resolves, and waits its turn. */
  async prompt(text: string, images: readonly Image[] = []): Promise<{ turnId: string; position: number }> {
    this.#assertOpen();
    this.#assertBudget();
    if (this.#queue.length + this.#accepting >= this.#options.queueLengthMax) {
      throw new AgentdError(
        "queue_full",
        `Cannot queue the prompt in session "${this.session.id}": ${this.#queue.length} prompts are waiting. Wait for one to end, or withdraw one`,
      );
    }
    const turnId = this.#queue.mintTurnId();
    const stored = images.length === 0 ? {} : { images: await this.#storeImages(turnId, images) };
    const position = this.#queue.add({ turnId, text, ...stored });
    this.#watchTime();
    await this.session.appendOwn([
      { type: "user_message", data: { turn_id: turnId, kind: "prompt", text, ...stored } },
    ]);
    this.#dispatch();
    return { turnId, position };
  }

  /** The session may end meanwhile; then nothing of them stays. */
  async #storeImages(turnId: string, images: readonly Image[]): Promise<StoredImage[]> {
    if (capabilities[this.#options.harness].images === "none") {
      throw new AgentdError(
        "unsupported_by_agent",
        `Cannot take images in session "${this.session.id}": its agent has nothing for them. Leave them out`,
      );
    }
    const folder = this.session.home.blobs;
    this.#accepting += 1;
    try {
      const stored = await storeImages(folder, turnId, images);
      try {
        this.#assertOpen();
        this.#assertBudget();
      } catch (error) {
        await removeImages(folder, stored);
        throw error;
      }
      return stored;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      throw new AgentdError(
        "disk_full",
        `Cannot store the images for session "${this.session.id}": the disk is full. Make room, then try again`,
        { cause: error },
      );
    } finally {
      this.#accepting -= 1;
      // Behind whoever awaits this: a prompt that was accepted is in the queue by then.
      setImmediate(() => this.#finishWhenDone());
    }
  }

  /** Redirects the running turn; with none running it is a prompt. */
  async steer(text: string): Promise<{ turnId: string; position: number }> {
    if (this.openTurn === undefined) return this.prompt(text);
    this.#assertOpen();
    this.#assertBudget();
    // Should the turn end before the steer arrives, the agent takes it as a prompt of this fresh turn. Only the
    // sidecar knows which it was, so the record is written after its answer.
    const fresh = this.#queue.mintTurnId();
    const turnId = (await this.#ask({ type: "steer", data: { content: text, turn_id: fresh } })) ?? fresh;
    const kind = turnId === fresh ? "prompt" : "steer";
    await this.session.appendOwn([{ type: "user_message", data: { turn_id: turnId, kind, text } }]);
    return { turnId, position: 0 };
  }

  async interrupt(): Promise<void> {
    this.#assertLive();
    await this.#ask({ type: "interrupt", data: { reason: "user" } });
  }

  /** Answers a question of the agent; the first answer counts, whoever gives it. */
  async respond(requestId: string, answer: InputAnswer): Promise<void> {
    await this.session.inputs.answer(requestId, answer, async () => {
      this.#assertLive();
      await this.#ask({ type: "respond", data: { ...answer, request_id: requestId, by: "client" } });
    });
  }

  /** What may be changed while it runs; holds from the next request of the agent to its model on. */
  async change({ model, permission_mode }: SessionChange): Promise<void> {
    this.#assertOpen();
    if (model !== undefined) await this.#askForChange({ type: "set_model", data: { model } });
    if (permission_mode !== undefined)
      await this.#askForChange({ type: "set_permission_mode", data: { permission_mode } });
    this.session.model = model ?? this.session.model;
    this.session.permissionMode = permission_mode ?? this.session.permissionMode;
    this.#options.onChanged();
    await this.session.appendOwn([
      { type: "system", data: { subtype: "changed", ...defined({ model, permission_mode }) } },
    ]);
  }

  async context(item: ContextItem): Promise<void> {
    this.#assertOpen();
    this.#assertTakesContext();
    await this.#ask({ type: "context", data: item });
    const text = item.text ?? item.filePath ?? "";
    await this.session.appendOwn([{ type: "user_message", data: { turn_id: null, kind: "context", text } }]);
  }

  async mention(item: MentionItem): Promise<void> {
    this.#assertOpen();
    this.#assertTakesContext();
    await this.#ask({ type: "mention", data: item });
    const from = item.lineStart;
    const lines = from === undefined ? "" : `#L${from}${item.lineEnd === undefined ? "" : `-${item.lineEnd}`}`;
    await this.session.appendOwn([
      { type: "user_message", data: { turn_id: null, kind: "mention", text: `@${item.filePath}${lines}` } },
    ]);
  }

  /** Takes back a prompt that the agent has not been given. */
  async withdraw(turnId: string): Promise<void> {
    if (!this.#queue.knows(turnId)) {
      throw new AgentdError(
        "turn_not_found",
        `Cannot withdraw turn "${turnId.slice(0, 80)}": session "${this.session.id}" never had it`,
      );
    }
    if (!this.#queue.withdraw(turnId)) {
      throw new AgentdError(
        "turn_not_queued",
        `Cannot withdraw turn "${turnId}" of session "${this.session.id}": it is not waiting. Interrupt the session to end a running turn`,
      );
    }
    await this.session.appendOwn([ownResult(this.session, turnId, "withdrawn", "it was withdrawn")]);
    this.#finishWhenDone();
  }

  /** `drain` lets open and queued turns end first; `now` ends the session. The first reason counts. */
  stop(mode: "drain" | "now", reason: EndReason): void {
    if (!this.session.isLive) return;
    if (mode === "drain") {
      this.#close();
      this.#options.onChanged();
      this.#finishWhenDone();
      return;
    }
    if (this.session.state.at === "stopping") return;
    this.session.apply({ type: "stop", reason });
    this.#options.onChanged();
    if (this.#link) this.#askToStop(reason);
  }

  /** Lets go of the session without a word to its sidecar, which works on and keeps what happens for a next daemon. */
  async release(): Promise<void> {
    this.#isReleased = true;
    this.#isEnding = true;
    this.#stopTimers();
    this.#link?.close();
    await this.session.seal();
  }

  // What the session tells us

  onEvent(event: SessionEvent): void {
    switch (event.type) {
      case "result":
        this.#queue.close(event.data.turn_id);
        this.#budget.note(event.data);
        this.#watchTime();
        break;
      case "exit":
        this.#exit = event.data;
        break;
      default:
        break;
    }
  }

  onBeforeExit(): void {
    this.#abandonTurns("the session ended before it was run");
  }

  onStored(sidecarSeq: number): void {
    this.#link?.tell({ type: "ack", data: { sidecar_seq: sidecarSeq } });
    if (this.session.pendingBytes < pendingBytesMax / 2) this.#link?.release();
    const exit = this.#exit;
    if (exit && !this.#isEnding && sidecarSeq >= this.session.sidecarSeq) this.#ending(() => this.#finishEnding(exit));
  }

  onFull(isFull: boolean): void {
    if (isFull) this.#link?.tell({ type: "pause", data: { reason: "the disk is full" } });
    else this.#link?.tell({ type: "resume", data: {} });
  }

  onLogFailed(error: Error): void {
    if (this.#isReleased) return;
    this.stop("now", "log_write_failed");
    this.#ending(() => this.#endWithoutLog(error));
  }

  // What the sidecar tells us

  #onBatch(batch: Buffer): void {
    this.session.appendBatch(batch);
    this.#dispatch();
    this.#finishWhenDone();
    if (this.session.pendingBytes > pendingBytesMax) this.#link?.hold();
  }

  #onStatus(status: SidecarStatus): void {
    if (status.turn_id !== null && this.#queue.open === undefined) this.#queue.markOpen(status.turn_id);
    const isNewId = status.agent_session_id !== undefined && status.agent_session_id !== this.session.agentSessionId;
    this.#status = status;
    this.session.model = status.model ?? this.session.model;
    if (isNewId) {
      this.session.agentSessionId = status.agent_session_id;
      this.#options.onChanged();
    }
    this.#watchTime();
    this.#dispatch();
    this.#finishWhenDone();
  }

  /** Time counts while the agent works or starts for somebody; it stands still while a person is awaited. */
  #watchTime(): void {
    const { activity } = this.#status;
    if (activity !== "starting") clearTimeout(this.#startTimer);
    const turnId = this.openTurn;
    if (this.#turnWatch?.turnId !== turnId) {
      this.#turnWatch?.watch.standStill();
      const limitMs = this.session.spec.turn_timeout_ms;
      const watch = limitMs === undefined ? undefined : new Stopwatch(limitMs, () => this.#onTurnTimeout());
      this.#turnWatch = turnId === undefined || !watch ? undefined : { turnId, watch };
    }
    const isStarting = activity === "starting" && !this.#queue.isEmpty;
    if (activity === "busy" || activity === "retrying" || isStarting) {
      this.#sessionWatch?.run();
      this.#turnWatch?.watch.run();
    } else {
      this.#sessionWatch?.standStill();
      this.#turnWatch?.watch.standStill();
    }
  }

  #dispatch(): void {
    if (this.#status.activity !== "idle" || this.session.state.at !== "running" || !this.#link) return;
    if (this.session.sidecarSeq < this.#catchUpTo) return;
    if (this.#budget.spent !== undefined) return this.#endQueue(this.#budget.spent);
    const prompt = this.#queue.takeNext();
    if (!prompt) return;
    this.#watchTime();
    this.#give(prompt, this.#link).catch((error: unknown) => {
      this.#promptRefused(prompt.turnId, messageOf(error)).catch(this.#options.onFault);
    });
  }

  async #give({ turnId, text, images }: Prompt, link: Link): Promise<void> {
    const read = images === undefined ? {} : { images: await readImages(this.session.home.blobs, images) };
    await link.request({ type: "prompt", data: { content: text, turn_id: turnId, ...read } });
  }

  /** The budget is spent: whatever waits is not given to the agent. */
  #endQueue(reason: string): void {
    const turns = this.#queue.withdrawAll();
    if (turns.length === 0) return;
    this.session
      .appendOwn(turns.map((turnId) => ownResult(this.session, turnId, "limit", reason)))
      .catch(this.#options.onFault);
    this.#finishWhenDone();
  }

  async #promptRefused(turnId: string, message: string): Promise<void> {
    if (this.#queue.open !== turnId || this.#exit || this.#isEnding) return;
    this.#queue.close(turnId);
    await this.session.appendOwn([
      {
        type: "error",
        data: {
          code: "agent_failed",
          message: `Cannot give the prompt to the agent: ${message}`,
          retryable: false,
          turn_id: turnId,
        },
      },
      ownResult(this.session, turnId, "error", message),
    ]);
    this.#dispatch();
    this.#finishWhenDone();
  }

  /** A session that will get no more prompts ends when no turn is open or queued and nothing runs in the background. */
  #finishWhenDone(): void {
    if (!this.#isDraining || this.#hasFinished || this.session.state.at !== "running" || this.#accepting > 0) return;
    if (!this.#queue.isEmpty || this.#status.activity !== "idle" || this.#status.background > 0) return;
    if (this.session.sidecarSeq < this.#catchUpTo) return;
    this.#hasFinished = true;
    this.#link?.request({ type: "finish", data: {} }).catch(() => {
      // The link's loss, or the agent's end, says more than this refusal would.
    });
  }

  #onTurnTimeout(): void {
    this.#link
      ?.request({ type: "interrupt", data: { reason: "limit", detail: "turn_timeout" } })
      .catch(() => this.stop("now", "timeout"));
  }

  #askToStop(reason: EndReason): void {
    this.#stopTimer = setTimeout(() => this.#destroy(), stopMs);
    this.#link?.request({ type: "stop", data: { reason } }).catch(() => {
      // No answer: the stop timer or the link's own loss ends it.
    });
  }

  /** What the sidecar refuses here, its agent cannot do. */
  async #askForChange(command: Parameters<Link["request"]>[0]): Promise<void> {
    try {
      await this.#ask(command);
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if (!cause || !this.session.isLive) throw error;
      throw new AgentdError("unsupported_by_agent", `Cannot change session "${this.session.id}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  async #ask(command: Parameters<Link["request"]>[0]): Promise<string | undefined> {
    if (!this.#link) throw this.#endedError("it has not started yet");
    try {
      return await this.#link.request(command);
    } catch (error) {
      this.#assertNotReleased();
      throw new AgentdError(
        "agent_failed",
        `Cannot ${command.type} session "${this.session.id}": ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  #destroy(): void {
    this.#handle?.destroy().catch(this.#options.onFault);
  }

  // The end

  /** Runs a way to the end. Whatever fails on it, the session ends, and the daemon and its other sessions go on. */
  #ending(act: () => Promise<void>): void {
    act().catch(async (error: unknown) => {
      this.#options.onFault(error);
      this.#isEnding = true;
      this.#link?.close();
      try {
        await this.#handle?.destroy();
        if (this.session.isLive) await this.#closeFor(faultLoss(this.session.id, error));
      } catch (second) {
        this.#options.onFault(second);
        if (this.session.isLive)
          this.session.apply({ type: "ended", reason: "sidecar_lost", exitCode: -1, endedAt: Date.now() });
      }
      this.#leave();
    });
  }

  async #finishEnding(exit: EventOf<"exit">["data"]): Promise<void> {
    this.#isEnding = true;
    this.#stopTimers();
    await this.#seal({ reason: endReasonOf(exit), exitCode: exit.code });
    // The sidecar leaves by itself once its exit is acknowledged; one that does not is ended.
    const timer = setTimeout(() => this.#destroy(), stopMs);
    await this.#handle?.gone;
    clearTimeout(timer);
    this.#link?.close();
    await this.#options.sweep();
    this.#leave();
  }

  async #seal(end: { reason: EndReason; exitCode: number }): Promise<void> {
    this.session.apply({ type: "ended", ...end, endedAt: Date.now() });
    await this.session.seal();
    this.#options.onChanged();
  }

  #stopTimers(): void {
    clearTimeout(this.#stopTimer);
    clearTimeout(this.#startTimer);
    this.#sessionWatch?.standStill();
    this.#turnWatch?.watch.standStill();
  }

  #leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#stopTimers();
    this.#options.onEnded();
    this.#resolveOver();
  }

  /** The sidecar is gone without saying `exit`: what it left on disk is taken in, then the end is written for it. */
  async #onLost(reason: string): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#link?.close();
    await this.#handle?.destroy();
    await this.#options.sweep();
    for await (const batch of this.#options.readSpool(this.session.sidecarSeq)) this.session.appendBatch(batch);
    if (this.#exit) {
      await this.#finishEnding(this.#exit);
      return;
    }
    await this.#closeFor({
      code: "sidecar_lost",
      category: "sidecar_lost",
      message: `The sidecar of session "${this.session.id}" was lost: ${reason}`,
    });
  }

  /** Writes the end that the sidecar no longer can. */
  async #closeFor(loss: Loss): Promise<void> {
    this.#stopTimers();
    const running = this.#status.turn_id;
    const turns = this.#queue.abandon();
    if (running !== null && !turns.includes(running)) turns.unshift(running);
    await this.session.appendOwn([
      ...abortedInputs(this.session.inputs),
      ...(await looseEndsOf(this.session, Date.now())),
      lossError(loss),
      ...turns.map((turnId) => ownResult(this.session, turnId, "aborted", loss.message)),
      lossExit(loss),
    ]);
    await this.#seal({ reason: "sidecar_lost", exitCode: -1 });
    this.#leave();
  }

  async #endWithoutLog(error: Error): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    await this.#handle?.destroy();
    this.#link?.close();
    this.#queue.abandon();
    this.session.logError = error;
    await this.#seal({ reason: "log_write_failed", exitCode: -1 });
    this.#leave();
  }

  /** How turns end that the agent will not end: by the time limit when that is why the session ends. */
  #endStatus(): TurnStatus {
    const { state } = this.session;
    return state.at === "stopping" && state.reason === "timeout" ? "limit" : "aborted";
  }

  #abandonTurns(why: string): void {
    const turns = this.#queue.abandon();
    if (turns.length === 0) return;
    // Told before `exit`, which waits for nobody; a log that cannot be written ends the session in a way of its own.
    this.session
      .appendOwn(turns.map((turnId) => ownResult(this.session, turnId, this.#endStatus(), why)))
      .catch(this.#options.onFault);
  }

  #assertNotReleased(): void {
    if (!this.#isReleased) return;
    throw new AgentdError(
      "shutting_down",
      `Cannot send to session "${this.session.id}" now: this daemon is leaving. The session goes on; ask the next daemon`,
    );
  }

  #assertLive(): void {
    this.#assertNotReleased();
    const isLeaving = this.session.state.at === "stopping" || this.#exit !== undefined || this.#isEnding;
    if (!this.session.isLive || isLeaving) throw this.#endedError("it has ended");
  }

  #assertOpen(): void {
    this.#assertLive();
    if (this.session.isPaused) {
      throw new AgentdError(
        "disk_full",
        `Cannot send to session "${this.session.id}": the disk is full, nothing can be recorded. Make room, then try again`,
      );
    }
    if (this.#isClosing) throw this.#endedError("it was asked to stop");
    if (this.#options.harness === "generic" && this.#isDraining && this.#queue.count > 0) {
      throw this.#endedError("its plain command takes one prompt and then the end of its input");
    }
    const isIdleForGood = this.#isDraining && this.#queue.isEmpty && this.#accepting === 0 && this.#queue.count > 0;
    const isDone = this.#hasFinished || isIdleForGood;
    if (isDone) throw this.#endedError("it is not interactive and its last turn has ended");
  }

  #assertBudget(): void {
    const { spent } = this.#budget;
    if (spent === undefined) return;
    throw new AgentdError(
      "budget_spent",
      `Cannot send to session "${this.session.id}": its budget is spent (${spent}). Start a new one, with resume_session to go on from here`,
    );
  }

  #assertTakesContext(): void {
    if (this.#options.harness !== "generic") return;
    throw new AgentdError(
      "unsupported_by_agent",
      `Cannot add context to session "${this.session.id}": its agent is a plain command, which only takes lines. Put it into the prompt`,
    );
  }

  #endedError(found: string): AgentdError {
    return new AgentdError(
      "session_ended",
      `Cannot send to session "${this.session.id}": ${found}. Start a new one, with resume_session to go on from here`,
    );
  }
}
