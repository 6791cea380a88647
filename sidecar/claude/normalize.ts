/**
 * Lines of Claude Code → events, with a small memory. Pure: it does no I/O and reads no clock, and it never throws for
 * what a line says. `push` as many lines as one read brought, then `take` what came of them.
 */
import type { InputAnswer, InterruptReason } from "../../src/protocol/command.ts";
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SidecarStatus } from "../../src/protocol/link-frame.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { parseAgentJson } from "../agent-json.ts";
import { plainLine, progress, unknownLine } from "../facts.ts";
import type { Failure } from "../failure.ts";
import type { HarnessOutput, Waiting } from "../harness.ts";
import { Outbox } from "../outbox.ts";
import { AgentOutput } from "./agent-output.ts";
import { BackgroundWork } from "./background-work.ts";
import { DeltaShape } from "./delta-shape.ts";
import { categoryOf } from "./failure.ts";
import { Questions } from "./questions.ts";
import {
  type AssistantLine,
  type CommandLifecycle,
  type ControlRequest,
  type Init,
  type OtherSystem,
  type Raw,
  readRaw,
  type UserLine,
} from "./raw.ts";
import { Retries } from "./retries.ts";
import { systemFact } from "./session-facts.ts";
import { SessionIdentity } from "./session-identity.ts";
import { type Delta, readDelta } from "./text-delta.ts";
import { type Turn, TurnBook } from "./turn-book.ts";
import { TurnEndings } from "./turn-endings.ts";

/** What came of the lines since the last `take`. */
export interface Effects {
  outputs: HarnessOutput[];
  /** The status is another one than at the last `take`. */
  isStatusNew: boolean;
  /** Lines to write to the agent: answers to what it asked. */
  replies: string[];
  /**
   * The key is refused: rather than watch it retry for minutes. Or the turn was interrupted before it had begun, of which the
   * agent takes no notice (2.1.329).
   */
  mustInterrupt: boolean;
  /** Control requests of ours that were answered, with the agent's reason when it refused. */
  answered: { id: string; refusal: string | undefined; agents: readonly string[] | undefined }[];
}

export interface NormalizerOptions {
  /** The agent's own id of the conversation, as far as it is known before its first line. */
  agentSessionId: string;
  isResumed: boolean;
  /** Who decides on tools. */
  permissionMode: PermissionMode;
}

export class Normalizer {
  readonly #book = new TurnBook();
  readonly #agent = new AgentOutput();
  readonly #background = new BackgroundWork();
  readonly #retries = new Retries();
  readonly #questions = new Questions();
  readonly #endings: TurnEndings;
  readonly #identity: SessionIdentity;
  readonly #deltas = new DeltaShape();
  readonly #out = new Outbox();
  #replies: string[] = [];
  #answered: Effects["answered"] = [];
  #mustInterrupt = false;
  permissionMode: PermissionMode;

  constructor(options: NormalizerOptions) {
    this.#identity = new SessionIdentity(options.agentSessionId);
    this.permissionMode = options.permissionMode;
    const { isResumed } = options;
    const sessionId = () => this.#identity.sessionId;
    this.#endings = new TurnEndings({ book: this.#book, agent: this.#agent, isResumed, sessionId });
  }

  get agentSessionId(): string {
    return this.#identity.sessionId;
  }

  get running(): Turn | undefined {
    return this.#book.running;
  }

  get background(): number {
    return this.#background.count;
  }

  /** Why the last turn failed, for the end of the agent. */
  get failure(): Failure | undefined {
    return this.#endings.failure;
  }

  /** Text is being written, or the model is being asked: a steer must cut in to be heard soon. */
  get isRunningTools(): boolean {
    const turn = this.#book.running;
    return turn !== undefined && this.#agent.openTools(turn.id).length > 0;
  }

  get status(): Partial<SidecarStatus> {
    const turn = this.#book.running;
    return {
      activity: turn ? (this.#retries.dueAt === undefined ? "busy" : "retrying") : "idle",
      turn_id: turn?.id ?? null,
      background: this.background,
      agent_session_id: this.#identity.sessionId,
      ...(this.#identity.model === undefined ? {} : { model: this.#identity.model }),
    };
  }

  get waiting(): Waiting {
    const turn = this.#book.running;
    if (!turn) return { on: "nothing" };
    const { dueAt } = this.#retries;
    if (dueAt !== undefined) return { on: "retry", dueAt };
    const names = this.#agent.openTools(turn.id);
    return names.length > 0 ? { on: "tool", names } : { on: "model" };
  }

  // What we asked of the agent.

  prompted(prompt: { turnId: string; uuid: string }, now: number): void {
    this.#book.prompt(prompt, now);
  }

  /** Only while a turn runs. */
  steered(uuid: string): void {
    const turn = this.#book.running;
    if (turn) this.#book.steer(turn, uuid);
  }

  interrupted(reason: InterruptReason, detail: string | undefined): void {
    const turn = this.#book.running;
    if (turn) turn.interrupt ??= { reason, detail };
  }

  /** The next turn's first line says what came of it. */
  modelChanged(model: string): void {
    this.#identity.model = model;
  }

  /** Throws a sentence for people when there is no such question. */
  responded(answer: InputAnswer & { requestId: string; by: string }): void {
    const { event, reply } = this.#questions.respond(answer);
    this.add(event);
    this.#replies.push(reply);
  }

  // What the agent said.

  push(line: string, now: number): void {
    this.#out.line = line;
    const piece = this.#deltas.read(line);
    if (piece) return this.#takeDelta(piece);
    let value: unknown;
    try {
      value = parseAgentJson(line);
    } catch {
      if (line.trim() !== "") this.#out.emit(plainLine("stdout_raw", line));
      return;
    }
    const delta = readDelta(value);
    if (delta === "skip") return;
    if (delta) {
      this.#deltas.learn(line, delta);
      return this.#takeDelta(delta);
    }
    const raw = readRaw(value);
    // The counts of a whole block come right behind it or not at all.
    if (this.#agent.isHolding && raw.kind !== "stream") this.#out.emitAll(this.#agent.release());
    this.#read(raw, line, now);
  }

  #takeDelta(delta: Delta): void {
    const event = this.#agent.delta(delta, this.#turnIdOf(delta.parent));
    if (event) this.#out.emit(event);
  }

  stderr(line: string): void {
    this.#out.line = undefined;
    const text = line.trim();
    if (text !== "") this.#out.emit(plainLine("stderr", text));
  }

  /** An event from elsewhere, in its place among the others. */
  add(event: SessionEvent): void {
    this.#out.add(event);
  }

  /** The agent is gone: closes whatever is open. */
  end(reason: string, now: number): void {
    this.#out.addAll(this.#agent.agentEnded(now));
    this.#out.emitAll(this.#endings.agentEnded(reason, now));
    this.#background.ended();
  }

  take(): Effects {
    const effects: Effects = {
      outputs: this.#out.take(),
      isStatusNew: this.#out.isNews(this.status),
      replies: this.#replies,
      mustInterrupt: this.#mustInterrupt,
      answered: this.#answered,
    };
    this.#replies = [];
    this.#answered = [];
    this.#mustInterrupt = false;
    return effects;
  }

  #read(raw: Raw, line: string, now: number): void {
    switch (raw.kind) {
      case "stream":
        if (raw.line.event.type === "message_start") this.#beginMessage(raw.line.parent_tool_use_id ?? undefined, now);
        this.#out.emitAll(this.#agent.frame(raw.line, this.#turnIdOf(raw.line.parent_tool_use_id ?? undefined)));
        return;
      case "assistant":
        return this.#assistant(raw.line, now);
      case "user":
        return this.#user(raw.line, now);
      case "result":
        this.#retries.over();
        return this.#out.emitAll(this.#endings.result(raw.line, this.#identity.hasBegun, now));
      case "init":
        return this.#init(raw.line, now);
      case "api_retry": {
        const { event, isHopeless } = this.#retries.announced(raw.line, this.#book, now);
        if (isHopeless) this.#mustInterrupt = true;
        return this.#out.emit(event);
      }
      case "background_tasks":
        return this.#background.changed(raw.line.tasks, !this.#book.current);
      case "session_state":
        this.#background.sessionIs(raw.line.state);
        if (raw.line.state === "idle") this.#out.emitAll(this.#endings.silence());
        return;
      case "system":
        return this.#system(raw.line, now);
      case "command_lifecycle":
        return this.#lifecycle(raw.line, now);
      case "control_request":
        return this.#asked(raw.line);
      case "control_cancel": {
        const withdrawn = this.#questions.withdrawn(raw.line.request_id, (id) => this.#isInterrupted(id));
        return this.#out.emitAll(withdrawn ? [withdrawn] : []);
      }
      case "control_response": {
        const { request_id: id, subtype, error, response } = raw.line.response;
        const refusal = subtype === "error" ? (error ?? "it gave no reason") : undefined;
        if (id) this.#answered.push({ id, refusal, agents: response?.agents?.map(({ name }) => name) });
        return;
      }
      case "silent":
        return;
      case "unknown":
        return this.#out.emit(unknownLine(line));
      default:
        raw satisfies never;
    }
  }

  #asked(line: ControlRequest): void {
    const callId = line.request.tool_use_id ?? undefined;
    const place = {
      turnId: this.#turnIdOf(callId),
      parentId: callId === undefined ? undefined : this.#agent.parentOfCall(callId),
    };
    const { event, reply } = this.#questions.asked(line, { place, isAutonomous: this.permissionMode === "autonomous" });
    if (event) this.#out.emit(event);
    if (reply !== undefined) this.#replies.push(reply);
  }

  #isInterrupted(turnId: string): boolean {
    return this.#book.open.some(({ id, interrupt }) => id === turnId && interrupt !== undefined);
  }

  #assistant(line: AssistantLine, now: number): void {
    const { message } = line;
    const parentId = line.parent_tool_use_id ?? undefined;
    if (message.model === "<synthetic>") return this.#synthetic(line);
    this.#beginMessage(parentId, now);
    if (parentId === undefined && message.model && this.#book.current) this.#book.current.model = message.model;
    this.#out.emitAll(this.#agent.assistant(line, this.#turnIdOf(parentId), now));
  }

  /** Text that the CLI wrote in the model's place. */
  #synthetic({ message, error }: AssistantLine): void {
    const text = message.content
      .flatMap((block) => (typeof block["text"] === "string" ? [block["text"]] : []))
      .join("\n");
    if (!error) {
      if (text !== "") this.#out.emit({ type: "system", data: { subtype: "notice", text } });
      return;
    }
    const turn = this.#book.running;
    if (turn) turn.failure = { message: text, category: categoryOf({ word: error }) };
  }

  #user(line: UserLine, now: number): void {
    if (line.isReplay) {
      if (line.uuid) this.#delivered(line.uuid);
      return;
    }
    const { events, isStray } = this.#agent.user(line, now);
    if (isStray && this.#out.line !== undefined) this.#out.emit(unknownLine(this.#out.line));
    this.#out.emitAll(events);
  }

  #delivered(uuid: string): void {
    const steered = this.#book.deliver(uuid);
    if (steered) this.#out.emit(progress(steered.id, "input_delivered", { input: "steer" }));
  }

  #lifecycle(line: CommandLifecycle, now: number): void {
    this.#book.sawLifecycle();
    switch (line.state) {
      case "started":
      case "completed":
        return this.#delivered(line.command_uuid);
      case "cancelled":
      case "discarded":
      case "refused":
        return this.#out.emitAll(this.#endings.dropped(line.command_uuid, now));
      default:
        return;
    }
  }

  #init(init: Init, now: number): void {
    this.#background.turnBegan();
    this.#out.emitAll(this.#identity.init(init));
    const uuids = init.user_message_uuids ?? [];
    if (!this.#book.beginNamed(uuids) && uuids.length === 0) this.#book.begin(now);
    const turn = this.#book.current;
    if (turn?.interrupt) this.#mustInterrupt = true;
    if (turn && this.#identity.model !== undefined) turn.model ??= this.#identity.model;
  }

  /** The main agent writes: a turn is under way, and a retry has succeeded. */
  #beginMessage(parentId: string | undefined, now: number): void {
    if (parentId !== undefined) return;
    this.#retries.over();
    if (!this.#book.current) this.#book.begin(now);
  }

  #system(line: OtherSystem, now: number): void {
    if (line.subtype === "status" && line["status"] === "requesting") this.#retries.over();
    const fact = systemFact(line, this.#book.nearestId, (id) => this.#agent.turnOfCall(id));
    if (fact) this.#out.emit(fact);
    const toolUseId = line["tool_use_id"];
    if (line.subtype !== "task_notification" || typeof toolUseId !== "string") return;
    this.#out.emitAll(this.#agent.subagentEnded(toolUseId, now));
  }

  /** A call's lines, such as a subagent's, belong to the turn that it was made in, also when they come between turns. */
  #turnIdOf(callId: string | undefined): string {
    if (callId === undefined) return this.#book.nearestId;
    return this.#agent.turnOfCall(callId) ?? this.#book.nearestId;
  }
}
