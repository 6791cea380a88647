/**
 * What clients ask of a live session: prompts, steers, interrupts, answers, changes, context. Each resolves when it is in
 * the log or with the agent, as the route says, and is refused with a sentence where the session is past it.
 */
import type { HarnessName } from "../protocol/bootstrap.ts";
import type { ContextItem, InputAnswer, MentionItem } from "../protocol/command.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError, messageOf, OpenOutcome } from "../protocol/error.ts";
import type { SessionChange } from "../protocol/http.ts";
import type { Session } from "../session/session.ts";
import { refusedItem } from "./end-events.ts";
import { type CommandReply, type Link, Unanswered } from "./link.ts";
import type { AcceptedTurn, PromptOptions, Turns } from "./turns.ts";

/**
 * How far a session is on its way to its end: `draining`, it ends when no turn is open or queued; `closing`, because
 * somebody asked for that; `finished`, its agent was told so; `ending`, by whatever is stronger; `released`, a next daemon
 * goes on with it.
 */
export type Standing = "open" | "draining" | "closing" | "finished" | "ending" | "released";

export interface ConversationOptions {
  session: Session;
  turns: Turns;
  harness: HarnessName;
  /** Undefined until there is a sidecar. */
  link(): Link | undefined;
  standing(): Standing;
  /** The agent cannot be given anything yet. */
  isStarting(): boolean;
  /** The turn that runs, as far as the sidecar has said. */
  openTurn(): string | undefined;
  /** Resolves when the prompt that was given out last is on its way to the sidecar: what is about it comes behind it. */
  handedOver(): Promise<void>;
  /** Resolves when what the sidecar did before this daemon came is known, or will not be any more. */
  caughtUp(): Promise<void>;
  /** Something that the record on disk holds has changed. */
  onChanged(): void;
  onFault(error: unknown): void;
}

type Command = Parameters<Link["request"]>[0];

export class Conversation {
  readonly session: Session;
  readonly #options: ConversationOptions;
  readonly #turns: Turns;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.session = options.session;
    this.#turns = options.turns;
  }

  /** Accepts a prompt: it is in the log when this resolves, and waits its turn. */
  prompt(text: string, options: PromptOptions = {}): Promise<AcceptedTurn> {
    return this.#turns.accept(text, options);
  }

  /** Takes back a prompt that the agent has not been given: after a restart only its sidecar can tell. */
  async withdraw(turnId: string): Promise<void> {
    await this.#options.caughtUp();
    this.#assertNotReleased();
    this.#assertRoom();
    await this.#turns.withdraw(turnId);
  }

  /** Redirects the running turn; with none running it is a prompt. */
  async steer(text: string, { request }: { request?: string | undefined } = {}): Promise<AcceptedTurn> {
    // Which turn runs, only the sidecar of an earlier daemon can tell.
    await this.#options.caughtUp();
    this.#assertNotReleased();
    if (this.#options.openTurn() === undefined) return this.prompt(text, { request });
    this.assertOpen();
    this.#turns.assertBudget();
    // Should the turn end before the steer arrives, the agent takes it as a prompt of this fresh turn. Only the
    // sidecar knows which it was, so it is the sidecar who writes it down, and no death of ours can lose it.
    const fresh = this.#turns.mintTurnId();
    const reply = await this.#ask({
      type: "steer",
      data: { content: text, turn_id: fresh, record: true, ...defined({ request }) },
    });
    const turnId = reply.turnId ?? fresh;
    try {
      if (reply.sidecarSeq === undefined) await this.#recordSteer(text, { turnId, fresh, request });
      else await this.session.storedUpTo(reply.sidecarSeq);
    } catch (error) {
      throw OpenOutcome.of(error);
    }
    return { turnId, position: 0 };
  }

  /** For a sidecar that an earlier version started, and that writes nothing down. */
  async #recordSteer(
    text: string,
    { turnId, fresh, request }: { turnId: string; fresh: string; request: string | undefined },
  ): Promise<void> {
    const kind = turnId === fresh ? "prompt" : "steer";
    await this.session.appendOwn([
      { type: "user_message", data: { turn_id: turnId, kind, text, ...defined({ request }) } },
    ]);
  }

  /** Ends the turn that runs. Before there is one it is the prompt that comes next: to whoever asked for that, it runs. */
  async interrupt(): Promise<void> {
    await this.#options.caughtUp();
    this.#assertLive();
    if (this.#options.openTurn() === undefined) {
      if (this.#turns.queued.length > 0) {
        this.#assertRoom();
        return this.#turns.interruptFirst();
      }
      // Nobody is there to be asked, or only after the hooks: nothing runs.
      if (this.#options.isStarting()) return;
    }
    await this.#ask({ type: "interrupt", data: { reason: "user" } });
  }

  /** Answers a question of the agent; the first answer counts, whoever gives it. It is in the log when this resolves. */
  async respond(requestId: string, answer: InputAnswer): Promise<void> {
    await this.session.inputs.answer(requestId, answer, async () => {
      this.#assertLive();
      const { sidecarSeq } = await this.#ask({
        type: "respond",
        data: { ...answer, request_id: requestId, by: "client" },
      });
      await this.session.storedUpTo(sidecarSeq ?? 0);
    });
    await this.session.stored();
  }

  /**
   * What may be changed while it runs; holds from the next request of the agent to its model on. One after the other:
   * what the agent has taken is recorded, whatever it says to the next.
   */
  async change({ model, permission_mode }: SessionChange): Promise<void> {
    this.assertOpen();
    if (model !== undefined) {
      await this.#askForChange({ type: "set_model", data: { model } });
      this.session.model = model;
      await this.#recordChange({ model });
    }
    if (permission_mode !== undefined) {
      await this.#askForChange({ type: "set_permission_mode", data: { permission_mode } });
      this.session.permissionMode = permission_mode;
      await this.#recordChange({ permission_mode });
    }
  }

  async #recordChange(change: SessionChange): Promise<void> {
    this.#options.onChanged();
    await this.session.appendOwn([{ type: "system", data: { subtype: "changed", ...defined(change) } }]);
  }

  context(item: ContextItem): Promise<void> {
    return this.#attach("context", item.text ?? item.filePath ?? "", { type: "context", data: item });
  }

  mention(item: MentionItem): Promise<void> {
    const from = item.lineStart;
    const lines = from === undefined ? "" : `#L${from}${item.lineEnd === undefined ? "" : `-${item.lineEnd}`}`;
    return this.#attach("mention", `@${item.filePath}${lines}`, { type: "mention", data: item });
  }

  /** It is in the log before the agent has it; that the agent would not have it follows there. */
  async #attach(kind: "context" | "mention", text: string, command: Command): Promise<void> {
    this.assertOpen();
    this.#assertTakesContext();
    if (!this.#options.link()) throw this.#endedError("it has not started yet");
    await this.session.appendOwn([{ type: "user_message", data: { turn_id: null, kind, text } }]);
    try {
      await this.#ask(command);
    } catch (error) {
      // What was not answered may have arrived.
      if (!(error instanceof OpenOutcome))
        await this.session.appendOwn([refusedItem(kind, messageOf(error))]).catch((fault: unknown) => {
          // Behind the end nothing is written: the exit says why nobody has it.
          if (!(fault instanceof AgentdError && fault.code === "session_ended")) this.#options.onFault(fault);
        });
      throw error;
    }
  }

  /** Throws when the session takes nothing more. */
  assertOpen(): void {
    this.#assertLive();
    this.#assertRoom();
    const standing = this.#options.standing();
    if (standing === "open") return;
    if (standing === "closing") throw this.#endedError("it was asked to stop");
    if (this.#options.harness === "generic" && this.#turns.count > 0)
      throw this.#endedError("its plain command takes one prompt and then the end of its input");
    if (standing === "finished" || (this.#turns.isEmpty && this.#turns.count > 0))
      throw this.#endedError("it is not interactive and its last turn has ended");
  }

  #assertRoom(): void {
    if (!this.session.isPaused) return;
    throw new AgentdError(
      "disk_full",
      `Cannot send to session "${this.session.id}": the disk is full, nothing can be recorded. Make room, then try again`,
    );
  }

  #assertLive(): void {
    this.#assertNotReleased();
    if (this.#options.standing() === "ending") throw this.#endedError("it has ended");
  }

  #assertNotReleased(): void {
    if (this.#options.standing() === "released") throw this.#leavingError();
  }

  #assertTakesContext(): void {
    if (this.#options.harness !== "generic") return;
    throw new AgentdError(
      "unsupported_by_agent",
      `Cannot add context to session "${this.session.id}": its agent is a plain command, which only takes lines. Put it into the prompt`,
    );
  }

  /** What the sidecar refuses here, its agent cannot do. */
  async #askForChange(command: Command): Promise<void> {
    try {
      await this.#ask(command);
    } catch (error) {
      const cause = error instanceof Error && !(error instanceof OpenOutcome) ? error.cause : undefined;
      if (!cause || !this.session.isLive) throw error;
      throw new AgentdError("unsupported_by_agent", `Cannot change session "${this.session.id}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  async #ask(command: Command): Promise<CommandReply> {
    const link = this.#options.link();
    if (!link) throw this.#endedError("it has not started yet");
    await this.#options.handedOver();
    try {
      return await link.request(command);
    } catch (error) {
      const failed = this.#failureOf(command, error);
      throw error instanceof Unanswered ? OpenOutcome.of(failed) : failed;
    }
  }

  #failureOf(command: Command, error: unknown): AgentdError {
    const standing = this.#options.standing();
    if (standing === "released") return this.#leavingError();
    // It was open when it was asked: what an agent refuses that was told to end meanwhile is no failure of its own.
    const isLeaving = standing === "closing" || standing === "finished" || standing === "ending";
    if (isLeaving && !(error instanceof Unanswered)) return this.#endedError(messageOf(error));
    const message = `Cannot ${command.type} session "${this.session.id}": ${messageOf(error)}`;
    const isAskedWrongly = error instanceof AgentdError && error.code === "invalid_request";
    return new AgentdError(isAskedWrongly ? "invalid_request" : "agent_failed", message, { cause: error });
  }

  #leavingError(): AgentdError {
    return new AgentdError(
      "shutting_down",
      `Cannot send to session "${this.session.id}" now: this daemon is leaving. The session goes on; ask the next daemon`,
    );
  }

  #endedError(found: string): AgentdError {
    return new AgentdError(
      "session_ended",
      `Cannot send to session "${this.session.id}": ${found}. Start a new one, with resume_session to go on from here`,
      { details: { session_id: this.session.id } },
    );
  }
}
