/**
 * The life of one session: its sidecar, the link to it, when it may be given what. One attendance per live session; it
 * is over when the session's log is sealed. What clients ask of it is in conversation.ts, its turns in turns.ts, its end
 * in departure.ts, its limits in clocks.ts.
 */

import type { HarnessName } from "../protocol/bootstrap.ts";
import { capabilities } from "../protocol/capabilities.ts";
import { defined } from "../protocol/defined.ts";
import { messageOf } from "../protocol/error.ts";
import type { EventOf, SessionEvent, TurnStatus } from "../protocol/event.ts";
import type { SidecarStatus } from "../protocol/link-frame.ts";
import type { EndReason, QueuedPrompt, SessionActivity } from "../protocol/session.ts";
import type { SidecarHandle } from "../runtime/runtime.ts";
import { believed } from "../session/checkpoint.ts";
import { readImages } from "../session/images.ts";
import { readInputs } from "../session/inputs.ts";
import type { Session, SessionObserver } from "../session/session.ts";
import type { Prompt, TurnQueue } from "../session/turn-queue.ts";
import { activityOf } from "./activity.ts";
import { Clocks } from "./clocks.ts";
import { Conversation, type Standing } from "./conversation.ts";
import { Departure } from "./departure.ts";
import { Drain } from "./drain.ts";
import { howItWent } from "./end-events.ts";
import { Link } from "./link.ts";
import { Turns } from "./turns.ts";

export interface AttendanceOptions {
  session: Session;
  queue: TurnQueue;
  /** What the operator's hooks may take of a start and of an end. */
  hookAllowance: { startMs: number; endMs: number };
  queueLengthMax: number;
  harness: HarnessName;
  /**
   * Hands over, batch by batch, what a sidecar that died left on disk after this count. What was taken is removed, so
   * that the log has its room.
   */
  drainSpool(afterSeq: number, take: (batch: Buffer) => Promise<void>): Promise<void>;
  /** Ends whatever a dead sidecar's agent left running; resolves with what of it is not here, in words. */
  sweep(): Promise<string | undefined>;
  /** Something that the record on disk holds has changed. */
  onChanged(): void;
  /** The sidecar has answered, for the first time in the session's life. Resolves when that is on disk. */
  onMet(): Promise<void>;
  /** The log has grown. */
  onGrown(): void;
  /** Something of ours failed while the session ended; it ends all the same. */
  onFault(error: unknown): void;
  /** The session has ended and its log is sealed. */
  onEnded(): void;
}

/** Bytes on their way into the file before the sidecar is asked to wait. */
const pendingBytesMax = 8 * 1024 * 1024;
/** A sidecar that waits for room is waited for while it is heard: it gives three signs of life in this time. */
const silentMsMax = 30_000;

export class Attendance implements SessionObserver {
  readonly session: Session;
  readonly conversation: Conversation;
  readonly #options: AttendanceOptions;
  readonly #turns: Turns;
  readonly #clocks: Clocks;
  readonly #departure: Departure;
  #link: Link | undefined;
  #handle: SidecarHandle | undefined;
  #status: SidecarStatus = { activity: "starting", turn_id: null, background: 0 };
  readonly #drain: Drain;
  /** Until the sidecar's lines are here up to this count, a result may still be on its way: no prompt is given out. */
  #catchUpTo = 0;
  /** An earlier daemon may have given out what the log says is waiting. */
  #isRestored = false;
  /** A next daemon goes on with it. */
  #isReleased = false;
  #resolveMet: () => void = () => undefined;
  /** Resolves when the sidecar has said hello to this daemon, or is left to the next one. */
  readonly #met = new Promise<void>((resolve) => {
    this.#resolveMet = resolve;
  });
  #hasMet = false;
  /** Resolves when the prompt that was given out last is on its way: its images are read first. Never rejects. */
  #handedOver: Promise<void> = Promise.resolve();
  #isGivable = false;
  #resolveGivable: () => void = () => undefined;
  /** Resolves when it is on disk that the agent may be given prompts; never for a sidecar that does not answer. */
  readonly givable: Promise<void>;
  #resolveOver: () => void = () => undefined;
  /** Resolves when the session has ended, its log is sealed and nothing of it is left. */
  readonly over: Promise<void>;

  constructor(options: AttendanceOptions) {
    const { session, queue, queueLengthMax, onFault } = options;
    this.#options = options;
    this.session = session;
    this.#drain = new Drain({ isOneShot: !session.spec.interactive });
    this.givable = new Promise((resolve) => {
      this.#resolveGivable = resolve;
    });
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve;
    });
    this.#turns = new Turns({
      session,
      queue,
      queueLengthMax,
      takesImages: capabilities[options.harness].images !== "none",
      assertOpen: () => this.conversation.assertOpen(),
      give: (prompt) => this.#give(prompt),
      isEnding: () => this.#departure.hasExit || this.#departure.isUnderWay,
      onChanged: () => this.#advance(),
      onFault,
    });
    this.conversation = new Conversation({
      session,
      turns: this.#turns,
      harness: options.harness,
      link: () => this.#link,
      standing: () => this.#standing,
      isStarting: () => this.#status.activity === "starting",
      openTurn: () => this.openTurn,
      handedOver: () => this.#handedOver,
      caughtUp: async () => {
        if (this.#isRestored) await this.caughtUp();
      },
      onChanged: options.onChanged,
      onFault,
    });
    this.#clocks = new Clocks({
      sessionMs: session.spec.timeout_ms,
      turnMs: session.spec.turn_timeout_ms,
      hooks: options.hookAllowance,
      onSessionLimit: () => this.stop("now", "timeout"),
      onTurnLimit: () => this.#onTurnTimeout(),
      onStartLimit: () => this.stop("now", "launch_failed"),
      onStopLimit: () => this.#onStopLimit(),
    });
    this.#departure = new Departure({
      session,
      turns: this.#turns,
      handle: () => this.#handle,
      closeLink: () => this.#link?.close(),
      stopClocks: () => this.#clocks.stop(),
      runningTurn: () => this.#status.turn_id,
      drainSpool: options.drainSpool,
      sweep: options.sweep,
      onFault,
      onOver: () => {
        options.onEnded();
        this.#resolveOver();
      },
    });
  }

  get openTurn(): string | undefined {
    return this.#turns.open ?? this.#status.turn_id ?? undefined;
  }

  get queued(): QueuedPrompt[] {
    return this.#turns.queued;
  }

  get activity(): SessionActivity {
    return activityOf({ session: this.session, agent: this.#status.activity, isEmpty: this.#turns.isEmpty });
  }

  /** Takes over a sidecar: a new one, or one that an earlier daemon left. */
  attend(handle: SidecarHandle, options: { isAdopted: boolean }): void {
    if (this.#isReleased) return;
    this.#handle = handle;
    this.session.apply({ type: "launched", isAdopted: options.isAdopted });
    this.#link = new Link({
      connect: handle.connect,
      token: handle.address.token,
      after: () => this.session.sidecarSeq,
      onBatch: (batch) => this.#onBatch(batch),
      onHello: ({ newest, lastTurn, status, isStorageFull }) => {
        this.#catchUpTo = newest;
        this.#resolveMet();
        this.#noteMet();
        this.#turns.countAtLeast(lastTurn);
        this.#tellAgain();
        this.session.pauseForSidecar(isStorageFull);
        this.#onStatus(status);
      },
      onStatus: (status) => this.#onStatus(status),
      onStorage: ({ paused }) => {
        this.session.pauseForSidecar(paused);
        this.#followClocks();
      },
      onLost: (reason) => this.#departure.afterLoss(`the link broke: ${reason}`),
    });
    void handle.gone.then((end) => {
      if (!this.#departure.hasExit && !this.#isReleased) this.#departure.afterLoss(howItWent(end));
    });
    if (this.session.state.at === "stopping") this.#askToStop(this.session.state.reason);
    this.#options.onChanged();
    this.#clocks.beginStart();
    this.#departure.afterExit();
  }

  /** Written while the agent starts; no prompt goes out before. */
  #noteMet(): void {
    if (this.#hasMet) return;
    this.#hasMet = true;
    const { wasMet } = this.session;
    this.session.wasMet = true;
    void (wasMet ? Promise.resolve() : this.#options.onMet()).then(() => {
      this.#isGivable = true;
      this.#resolveGivable();
      this.#advance();
    });
  }

  /**
   * What a sidecar may have missed while there was no link. It may be waiting for just that, and have nothing to say that
   * would bring the next acknowledgement.
   */
  #tellAgain(): void {
    this.#link?.acknowledge(this.session.storedSeq, { now: true });
    this.onFull(this.session.isLogPaused);
  }

  /** What had been asked of the session before a restart. */
  restoreIntent(intent: { isClosing: boolean; stopReason: EndReason | undefined }): void {
    if (intent.isClosing) this.#drain.close();
    if (intent.stopReason !== undefined) this.session.apply({ type: "stop", reason: intent.stopReason });
  }

  /** An earlier daemon began it. */
  get isAdopted(): boolean {
    return this.#isRestored;
  }

  /** Whether it was asked to end when its turns have. */
  get isClosing(): boolean {
    return this.#drain.isClosing;
  }

  /** Its sidecar could not be started: nothing of it will be kept. */
  abandon(): void {
    this.#resolveOver();
  }

  /** Finds out from the log which turns have no result yet: they are the open one and the queue. */
  async restore(): Promise<void> {
    this.#isRestored = true;
    this.session.checkpoint = await believed(this.session, this.session.checkpoint);
    await this.#turns.restore();
    await readInputs(this.session, this.session.inputs, this.session.checkpoint);
    // The daemon before us wrote it and died before all that follows was done.
    const { foundExit } = this.session;
    if (foundExit) this.#departure.note(foundExit);
  }

  /** A sidecar of an earlier daemon that is gone: what it left is taken in, and the session ends, see `over`. */
  adoptDead(): void {
    this.session.apply({ type: "launched", isAdopted: true });
    this.#departure.afterLoss("it was gone when the daemon came back");
  }

  /**
   * Resolves when all that the sidecar did before this daemon came is in the log, or will never be; or when that is the
   * next daemon's affair.
   */
  async caughtUp(): Promise<void> {
    await Promise.race([this.#met, this.over]);
    if (this.#isReleased) return;
    // What a lost sidecar left is taken in before the end.
    if (this.#departure.isUnderWay) await this.over;
    else await this.session.storedUpTo(this.#catchUpTo).catch(() => (this.#isReleased ? undefined : this.over));
  }

  /** `drain` lets open and queued turns end first; `now` ends the session. The first reason counts. */
  stop(mode: "drain" | "now", reason: EndReason): void {
    if (!this.session.isLive) return;
    if (mode === "drain") {
      this.#drain.close();
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
    this.#resolveMet();
    this.#departure.callOff();
    this.#clocks.stop();
    this.#link?.close();
    await this.session.seal();
  }

  // What the session tells us

  onEvent(event: SessionEvent, at: number): void {
    switch (event.type) {
      case "result":
        this.#turns.note(event.data);
        break;
      case "exit":
        this.#departure.note({ data: event.data, at });
        break;
      default:
        break;
    }
  }

  onBeforeExit(exit: EventOf<"exit">["data"] | undefined): void {
    this.#endUnread(exit);
    this.#turns.end(this.#endStatus(), "the session ended before it was run");
  }

  /** A plain command that reads nothing may be done before its first prompt has come: what it printed is the answer to that. */
  #endUnread(exit: EventOf<"exit">["data"] | undefined): void {
    if (this.#options.harness !== "generic" || exit?.code !== 0 || this.session.state.at !== "running") return;
    this.#turns.endFirst("success", "the command was done before it was given the prompt");
  }

  onStored(sidecarSeq: number): void {
    this.#link?.acknowledge(sidecarSeq, { now: this.#departure.hasExit });
    if (this.session.pendingBytes < pendingBytesMax / 2) this.#link?.release();
    this.#departure.onStored(sidecarSeq);
    this.#options.onGrown();
  }

  onFull(isFull: boolean): void {
    if (isFull) this.#link?.tell({ type: "pause", data: { reason: "the disk is full" } });
    else this.#link?.tell({ type: "resume", data: {} });
    this.#followClocks();
  }

  onLogFailed(error: Error): void {
    if (this.#isReleased) return;
    this.stop("now", "log_write_failed");
    this.#departure.withoutLog(error);
  }

  // What the sidecar tells us

  #onBatch(batch: Buffer): void {
    this.session.appendBatch(batch);
    this.#advance();
    if (this.session.pendingBytes > pendingBytesMax) this.#link?.hold();
  }

  #onStatus(status: SidecarStatus): void {
    if (status.turn_id !== null) this.#turns.noteRunning(status.turn_id);
    const isNewModel = status.model !== undefined && status.model !== this.session.model;
    const isNewId = status.agent_session_id !== undefined && status.agent_session_id !== this.session.agentSessionId;
    this.#status = status;
    this.session.model = status.model ?? this.session.model;
    if (isNewId) this.session.agentSessionId = status.agent_session_id;
    if (isNewId || isNewModel) this.#options.onChanged();
    this.#advance();
  }

  /** Something has changed: the next prompt may go out, or the session end. */
  #advance(): void {
    if (this.#isFree) this.#turns.giveNext();
    this.#followClocks();
    this.#finishWhenDone();
  }

  #followClocks(): void {
    this.#clocks.follow({
      activity: this.#status.activity,
      turnId: this.openTurn,
      isAwaited: !this.#turns.isEmpty,
      isPaused: this.session.isPaused,
    });
  }

  /** The agent can be given something, and we know all that it did before. */
  get #isFree(): boolean {
    if (this.#status.activity !== "idle" || this.session.state.at !== "running" || !this.#link) return false;
    if (this.#departure.isUnderWay || !this.#isGivable) return false;
    return this.session.sidecarSeq >= this.#catchUpTo;
  }

  async #give({ turnId, text, images }: Prompt): Promise<void> {
    const link = this.#link;
    if (!link) throw new Error("there is no sidecar to give it to");
    const isRead = Promise.resolve(images && readImages(this.session.home.blobs, images));
    const sent = isRead.then((read) => ({
      reply: link.request({ type: "prompt", data: { content: text, turn_id: turnId, ...defined({ images: read }) } }),
    }));
    this.#handedOver = sent.then(
      () => undefined,
      () => undefined,
    );
    await (await sent).reply;
  }

  /** A session that will get no more prompts ends when no turn is open or queued and nothing runs in the background. */
  #finishWhenDone(): void {
    const isDone = this.#isFree && this.#turns.isEmpty && this.#status.background === 0;
    if (!this.#drain.finish(isDone)) return;
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
    this.#clocks.beginStop();
    this.#link?.request({ type: "stop", data: { reason } }).catch(() => {
      // No answer: the stop timer or the link's own loss ends it.
    });
  }

  /**
   * While the disk is full a sidecar ends its agent all the same, and keeps what it cannot store in memory: whoever ended
   * it by force would throw that away. One that is not heard any more does neither.
   */
  #onStopLimit(): void {
    const isHeard = this.#link !== undefined && this.#link.silentMs < silentMsMax;
    if (this.session.isPaused && isHeard) this.#clocks.beginStop();
    else
      this.#handle?.destroy().catch((error: unknown) => {
        // Nothing of it will be heard before its place can be reached again, and whoever ends it waits.
        this.#options.onFault(error);
        this.#departure.afterLoss(`it could not be ended: ${messageOf(error)}`);
      });
  }

  /** How turns end that the agent will not end: by the time limit when that is why the session ends. */
  #endStatus(): TurnStatus {
    const { state } = this.session;
    return state.at === "stopping" && state.reason === "timeout" ? "limit" : "aborted";
  }

  get #standing(): Standing {
    if (this.#isReleased) return "released";
    const { isLive, state } = this.session;
    const isEnding = state.at === "stopping" || this.#departure.hasExit || this.#departure.isUnderWay;
    return !isLive || isEnding ? "ending" : this.#drain.standing;
  }
}
