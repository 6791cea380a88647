/**
 * How one session comes to its end: its agent's `exit` is in the log, its sidecar is lost, or its log cannot be
 * written. Whichever is first runs, once; whatever fails on the way, the session ends, and the others go on.
 */
import type { EndReason } from "../protocol/session.ts";
import type { SidecarHandle } from "../runtime/runtime.ts";
import { abortedInputs } from "../session/inputs.ts";
import { looseEndsOf } from "../session/loose-ends.ts";
import { openTurnsOf } from "../session/open-turns.ts";
import type { Exit, Session } from "../session/session.ts";
import { stopMs } from "./clocks.ts";
import { endReasonOf, faultLoss, type Loss, lossError, lossExit, ownResult } from "./end-events.ts";
import type { Turns } from "./turns.ts";

export interface DepartureOptions {
  session: Session;
  turns: Turns;
  /** The sidecar, once there is one. */
  handle(): SidecarHandle | undefined;
  closeLink(): void;
  stopClocks(): void;
  /** The turn that the sidecar last said it runs. */
  runningTurn(): string | null;
  /** Hands over, batch by batch, what a sidecar that died left on disk after this count, and removes what was taken. */
  drainSpool(afterSeq: number, take: (batch: Buffer) => Promise<void>): Promise<void>;
  /** Ends whatever a dead sidecar's agent left running; resolves with what of it is not here, in words. */
  sweep(): Promise<string | undefined>;
  /** Something of ours failed; the session ends all the same. */
  onFault(error: unknown): void;
  /** Nothing of it is left but what is kept. Called once; only now may its record say that it ended. */
  onOver(): void;
}

export class Departure {
  readonly #options: DepartureOptions;
  readonly #session: Session;
  #exit: Exit | undefined;
  #isUnderWay = false;
  #isOver = false;
  #isCalledOff = false;

  constructor(options: DepartureOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /** Nothing may be begun any more. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** The agent's end is known; it may not be in the file yet. */
  get hasExit(): boolean {
    return this.#exit !== undefined;
  }

  /** `exit` passed by. */
  note(exit: Exit): void {
    this.#exit = exit;
  }

  /** Nothing of the session is ours to end: a next daemon goes on with it, and with an end that we have begun. */
  callOff(): void {
    this.#isUnderWay = true;
    this.#isCalledOff = true;
  }

  /** The log holds all up to here; when that is the `exit`, the session is over. */
  onStored(sidecarSeq: number): void {
    if (this.#exit && !this.#isUnderWay && sidecarSeq >= this.#session.sidecarSeq) this.afterExit();
  }

  /** The log's last line is the `exit` already. */
  afterExit(): void {
    const exit = this.#exit;
    if (exit) this.#run(() => this.#finish(exit));
  }

  /** The sidecar is gone without saying `exit`. */
  afterLoss(reason: string): void {
    this.#run(() => this.#takeOver(reason));
  }

  withoutLog(error: Error): void {
    this.#run(() => this.#endWithoutLog(error));
  }

  #run(act: () => Promise<void>): void {
    act().catch(async (error: unknown) => {
      if (this.#isCalledOff) return;
      this.#options.onFault(error);
      this.#isUnderWay = true;
      this.#options.closeLink();
      try {
        // What cannot be ended now keeps nobody from hearing that the session is over.
        await this.#options.handle()?.destroy().catch(this.#options.onFault);
        this.#assertOurs();
        if (this.#session.isLive) await this.#closeFor(faultLoss(this.#session.id, error));
      } catch (second) {
        if (this.#isCalledOff) return;
        this.#options.onFault(second);
        if (this.#session.isLive)
          this.#session.apply({ type: "ended", reason: "sidecar_lost", exitCode: -1, endedAt: Date.now() });
      }
      this.#leave();
    });
  }

  async #finish({ data, at }: Exit): Promise<void> {
    this.#isUnderWay = true;
    this.#options.stopClocks();
    await this.#ours(this.#seal({ reason: endReasonOf(data), exitCode: data.code, endedAt: at }));
    const handle = this.#options.handle();
    // The sidecar leaves by itself once its exit is acknowledged; one that does not is ended.
    await this.#ours(handle && goneOrEnded(handle));
    this.#options.closeLink();
    await this.#ours(this.#options.sweep());
    this.#leave();
  }

  /** What the sidecar left on disk is taken in, then the end is written for it. */
  async #takeOver(reason: string): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    this.#options.closeLink();
    await this.#ours(this.#options.handle()?.destroy());
    const missing = await this.#ours(this.#options.sweep());
    await this.#ours(
      this.#options.drainSpool(this.#session.sidecarSeq, async (batch) => {
        this.#assertOurs();
        this.#session.appendBatch(batch);
        // In the file before the next is read: memory holds one, and the spool goes as the log grows.
        await this.#session.stored();
      }),
    );
    if (this.#exit) {
      await this.#finish(this.#exit);
      return;
    }
    await this.#closeFor({
      code: "sidecar_lost",
      category: "sidecar_lost",
      message: `The sidecar of session "${this.#session.id}" was lost: ${reason}${missing === undefined ? "" : `. Not all that it did came back: ${missing}`}`,
    });
  }

  /** Writes the end that the sidecar no longer can. */
  async #closeFor(loss: Loss): Promise<void> {
    this.#options.stopClocks();
    this.#options.turns.abandon();
    // What is open is what the file says: all that came before must be in it.
    await this.#ours(this.#session.stored());
    const turns = await this.#ours(this.#openTurns());
    const looseEnds = await this.#ours(looseEndsOf(this.#session, Date.now(), this.#session.checkpoint));
    await this.#ours(
      this.#session.appendOwn([
        ...abortedInputs(this.#session.inputs),
        ...looseEnds,
        lossError(loss),
        ...turns.map((turnId) =>
          ownResult(this.#session, turnId, {
            status: "aborted",
            reason: loss.message,
            durationMs: this.#options.turns.durationOf(turnId),
          }),
        ),
        lossExit(loss),
      ]),
    );
    await this.#ours(this.#seal({ reason: "sidecar_lost", exitCode: -1, endedAt: Date.now() }));
    this.#leave();
  }

  /** Prompts without a result, and what the agent had begun by itself. */
  async #openTurns(): Promise<string[]> {
    const { prompts, ended } = await openTurnsOf(this.#session, this.#session.checkpoint);
    const turns = prompts.map(({ turnId }) => turnId);
    const running = this.#options.runningTurn();
    return running === null || turns.includes(running) || ended.has(running) ? turns : [running, ...turns];
  }

  async #endWithoutLog(error: Error): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    await this.#ours(this.#options.handle()?.destroy());
    this.#options.closeLink();
    this.#options.turns.abandon();
    this.#session.logError = error;
    await this.#ours(this.#seal({ reason: "log_write_failed", exitCode: -1, endedAt: Date.now() }));
    this.#leave();
  }

  async #seal(end: { reason: EndReason; exitCode: number; endedAt: number }): Promise<void> {
    this.#session.apply({ type: "ended", ...end });
    await this.#session.seal();
  }

  /** Every step of an end is waited for by this: behind it the session may be another daemon's. */
  async #ours<T>(step: T): Promise<Awaited<T>> {
    const done = await step;
    this.#assertOurs();
    return done;
  }

  #assertOurs(): void {
    if (this.#isCalledOff) throw new Error(`The end of session "${this.#session.id}" is the next daemon's to write`);
  }

  #leave(): void {
    if (this.#isOver || this.#isCalledOff) return;
    this.#isOver = true;
    this.#options.stopClocks();
    this.#options.onOver();
  }
}

/** Rejects when it neither leaves nor can be ended: an engine that is away says nothing of its containers. */
async function goneOrEnded(handle: SidecarHandle): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    timer = setTimeout(() => handle.destroy().catch(reject), stopMs);
  });
  await Promise.race([handle.gone, stuck]).finally(() => clearTimeout(timer));
}
