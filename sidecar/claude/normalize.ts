/**
 * Lines of Claude Code → events, with a small memory. Pure: it does no I/O and reads no clock, and it never throws for
 * what a line says. `push` as many lines as one read brought, then `take` what came of them.
 */
import type { InterruptReason } from "../../src/protocol/command.ts";
import type { SessionEvent } from "../../src/protocol/event.ts";
import type { SidecarStatus } from "../../src/protocol/link-frame.ts";
import type { HarnessOutput, Waiting } from "../harness.ts";
import { categoryOf, errorEvent, type Failure } from "./failure.ts";
import { CostMeter, failureOf, figuresOf, interruptedAs } from "./figures.ts";
import { MessageText, mainStream } from "./message-text.ts";
import { type Block, type Init, type Raw, type Result, readRaw, ToolResultBlock } from "./raw.ts";
import { initData, plainLine, progress, systemFact, todoProgress, unknownLine } from "./session-facts.ts";
import { answerTo } from "./stdin-lines.ts";
import { readDelta } from "./text-delta.ts";
import { ToolCalls } from "./tool-calls.ts";
import { addFigures, emptyFigures, type Figures, resultEvent, type Turn, TurnBook } from "./turn-book.ts";

/** What came of the lines since the last `take`. */
export interface Effects {
  outputs: HarnessOutput[];
  /** The status is another one than at the last `take`. */
  isStatusNew: boolean;
  /** Lines to write to the agent: answers to what it asked. */
  replies: string[];
  /** The key is refused; interrupt rather than watch it retry for minutes. */
  isGivingUp: boolean;
  /** Ids of control requests of ours that were answered. */
  answered: string[];
}

export interface NormalizerOptions {
  /** The agent's own id of the conversation, as far as it is known before its first line. */
  agentSessionId: string;
  isResumed: boolean;
}

/** The second refusal is believed: one may be a hiccup of the service. */
const authRetriesMax = 2;

type RetryState = { dueAt: number } | undefined;

export class Normalizer {
  readonly #book = new TurnBook();
  readonly #text = new MessageText();
  readonly #tools = new ToolCalls();
  readonly #cost: CostMeter;
  readonly #isResumed: boolean;
  #outputs: HarnessOutput[] = [];
  #shown: Partial<SidecarStatus> = {};
  #replies: string[] = [];
  #answered: string[] = [];
  #isGivingUp = false;
  #sessionId: string;
  #lastInit = "";
  #model: string | undefined;
  #retry: RetryState;
  #background = 0;
  /** Subagents that ended while nothing ran: the turn about them is still to come. */
  #isNoticeDue = false;
  #isSessionBusy = false;
  #failure: Failure | undefined;
  #line: string | undefined;

  constructor(options: NormalizerOptions) {
    this.#sessionId = options.agentSessionId;
    this.#isResumed = options.isResumed;
    this.#cost = new CostMeter(options);
  }

  get agentSessionId(): string {
    return this.#sessionId;
  }

  get running(): Turn | undefined {
    return this.#book.running;
  }

  get background(): number {
    return this.#background + (this.#isNoticeDue ? 1 : 0);
  }

  /** Why the last turn failed, for the end of the agent. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Text is being written, or the model is being asked: a steer must cut in to be heard soon. */
  get isRunningTools(): boolean {
    const turn = this.#book.running;
    return turn !== undefined && this.#tools.openNames(turn.id).length > 0;
  }

  get status(): Partial<SidecarStatus> {
    const turn = this.#book.running;
    return {
      activity: turn ? (this.#retry ? "retrying" : "busy") : "idle",
      turn_id: turn?.id ?? null,
      background: this.background,
      agent_session_id: this.#sessionId,
      ...(this.#model === undefined ? {} : { model: this.#model }),
    };
  }

  get waiting(): Waiting {
    const turn = this.#book.running;
    if (!turn) return { on: "nothing" };
    if (this.#retry) return { on: "retry", dueAt: this.#retry.dueAt };
    const names = this.#tools.openNames(turn.id);
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

  // What the agent said.

  push(line: string, now: number): void {
    this.#line = line;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      if (line.trim() !== "") this.#emit(plainLine("stdout_raw", line));
      return;
    }
    const delta = readDelta(value);
    if (delta === "skip") return;
    if (delta) {
      const turnId = this.#turnIdOf(delta.parent);
      if (delta.kind === "text") this.#emit(this.#text.delta(delta, turnId));
      else if (delta.text !== "") {
        const item_id = this.#text.itemId(delta.parent, delta.index);
        const data = { text: delta.text, delta: true, ...(item_id ? { item_id } : {}), ...parentOf(delta.parent) };
        this.#emit(progress(turnId, "reasoning", data));
      }
      return;
    }
    const raw = readRaw(value);
    // The counts of a whole block come right behind it or not at all.
    if (this.#text.isHolding && raw.kind !== "stream") this.#emitAll(this.#text.release(undefined));
    this.#read(raw, line, now);
  }

  stderr(line: string): void {
    this.#line = undefined;
    const text = line.trim();
    if (text !== "") this.#emit(plainLine("stderr", text));
  }

  /** An event from elsewhere, in its place among the others. */
  add(event: SessionEvent): void {
    this.#line = undefined;
    this.#emit(event);
  }

  /** The agent is gone: closes whatever is open. */
  end(reason: string, now: number): void {
    this.#line = undefined;
    this.#emitAll(this.#text.abandon("all"));
    this.#emitAll(this.#tools.abandon("all", now));
    for (const turn of [...this.#book.open]) {
      const wanted = turn.interrupt?.reason === "limit" ? interruptedAs(turn) : { status: "aborted" as const, reason };
      const rest = emptyFigures("aborted", turn.held ? 0 : Math.max(0, now - turn.startedAt));
      this.#finish(turn, addFigures(turn.held, { ...rest, costUsd: turn.held ? 0 : null, ...wanted }));
    }
    this.#background = 0;
    this.#isNoticeDue = false;
  }

  take(): Effects {
    const effects: Effects = {
      outputs: this.#outputs,
      isStatusNew: this.#changes(),
      replies: this.#replies,
      isGivingUp: this.#isGivingUp,
      answered: this.#answered,
    };
    this.#outputs = [];
    this.#replies = [];
    this.#answered = [];
    this.#isGivingUp = false;
    return effects;
  }

  #read(raw: Raw, line: string, now: number): void {
    switch (raw.kind) {
      case "stream":
        if (raw.line.event.type === "message_start") this.#beginMessage(raw.line.parent_tool_use_id ?? undefined, now);
        this.#emitAll(this.#text.frame(raw.line, this.#turnIdOf(raw.line.parent_tool_use_id ?? undefined)));
        return;
      case "assistant":
        return this.#assistant(raw.line, now);
      case "user":
        return this.#user(raw.line, now);
      case "result":
        return this.#result(raw.line, now);
      case "init":
        return this.#init(raw.line, now);
      case "api_retry":
        return this.#apiRetry(raw.line, now);
      case "background_tasks":
        return this.#backgroundTasks(raw.line.tasks);
      case "session_state":
        return this.#sessionState(raw.line.state);
      case "system":
        return this.#system(raw.line, now);
      case "command_lifecycle":
        return this.#lifecycle(raw.line, now);
      case "control_request":
        this.#replies.push(answerTo(raw.line));
        return;
      case "control_response":
        if (raw.line.response.request_id) this.#answered.push(raw.line.response.request_id);
        return;
      case "silent":
        return;
      case "unknown":
        return this.#emit(unknownLine(line));
      default:
        raw satisfies never;
    }
  }

  #assistant(line: Extract<Raw, { kind: "assistant" }>["line"], now: number): void {
    const { message, error } = line;
    const parentId = line.parent_tool_use_id ?? undefined;
    if (message.model === "<synthetic>") return this.#synthetic(message.content, error ?? undefined);
    this.#beginMessage(parentId, now);
    const turnId = this.#turnIdOf(parentId);
    if (parentId === undefined && message.model && this.#book.current) this.#book.current.model = message.model;
    for (const block of message.content) {
      const index = this.#text.indexOf(message.id, parentId);
      this.#block(block, { index, turnId, parentId, message, now });
    }
  }

  #block(
    block: Block,
    at: {
      index: number;
      turnId: string;
      parentId: string | undefined;
      message: Extract<Raw, { kind: "assistant" }>["line"]["message"];
      now: number;
    },
  ): void {
    const { turnId, parentId, message } = at;
    switch (block.type) {
      case "text": {
        if (typeof block["text"] !== "string") return;
        const whole = { messageId: message.id, index: at.index, text: block["text"], turnId, parentId };
        this.#emitAll(
          this.#text.whole({ ...whole, model: message.model ?? undefined, usage: message.usage ?? undefined }),
        );
        return;
      }
      case "thinking": {
        const text = block["thinking"];
        if (typeof text !== "string" || text === "") return;
        this.#emit(
          progress(turnId, "reasoning", {
            text,
            delta: false,
            item_id: `${message.id}:${at.index}`,
            ...parentOf(parentId),
          }),
        );
        return;
      }
      case "tool_use":
      case "server_tool_use":
      case "mcp_tool_use": {
        const { id, name, input } = block;
        if (typeof id !== "string" || typeof name !== "string") return;
        const call = this.#tools.start({ id, name, input: input ?? {}, turnId, parentId }, at.now);
        if (call) this.#emitAll([call, todoProgress(name, input, turnId)]);
        return;
      }
      default:
        // A tool that the service itself ran reports its end in a block of the same message.
        if (typeof block["tool_use_id"] === "string") {
          this.#emitAll([
            this.#tools.end({ id: block["tool_use_id"], content: block["content"], isError: false }, at.now),
          ]);
        }
    }
  }

  /** Text that the CLI wrote in the model's place. */
  #synthetic(blocks: readonly Block[], error: string | undefined): void {
    const text = blocks.flatMap((block) => (typeof block["text"] === "string" ? [block["text"]] : [])).join("\n");
    if (error === undefined) {
      if (text !== "") this.#emit({ type: "system", data: { subtype: "notice", text } });
      return;
    }
    const turn = this.#book.running;
    if (turn) turn.failure = { message: text, category: categoryOf({ word: error }) };
  }

  #user(line: Extract<Raw, { kind: "user" }>["line"], now: number): void {
    if (line.isReplay) {
      if (line.uuid) this.#delivered(line.uuid);
      return;
    }
    if (typeof line.message.content === "string") return;
    for (const block of line.message.content) {
      const parsed = ToolResultBlock.safeParse(block);
      if (!parsed.success) continue;
      const { tool_use_id: id, content, is_error } = parsed.data;
      const ended = this.#tools.end({ id, content, isError: is_error ?? false }, now);
      if (ended) this.#emit(ended);
      else if (this.#tools.turnOf(id) === undefined && this.#line !== undefined) this.#emit(unknownLine(this.#line));
    }
  }

  #delivered(uuid: string): void {
    const steered = this.#book.deliver(uuid);
    if (steered) this.#emit(progress(steered.id, "input_delivered", { input: "steer" }));
  }

  #lifecycle(line: Extract<Raw, { kind: "command_lifecycle" }>["line"], now: number): void {
    this.#book.sawLifecycle();
    switch (line.state) {
      case "started":
      case "completed":
        return this.#delivered(line.command_uuid);
      case "cancelled":
      case "discarded":
      case "refused": {
        const turn = this.#book.drop(line.command_uuid);
        if (!turn) return;
        const lost = { ...emptyFigures("interrupted", Math.max(0, now - turn.startedAt)), ...interruptedAs(turn) };
        return this.#finish(turn, turn.held ?? lost);
      }
      default:
        return;
    }
  }

  #init(init: Init, now: number): void {
    this.#isNoticeDue = false;
    this.#sessionId = init.session_id;
    this.#model = init.model ?? this.#model;
    const data = initData(init);
    const fingerprint = JSON.stringify(data);
    if (fingerprint !== this.#lastInit) {
      this.#lastInit = fingerprint;
      this.#emit({ type: "system", data });
    }
    this.#begin(init.user_message_uuids ?? [], now);
  }

  #begin(uuids: readonly string[], now: number): void {
    const turn = this.#book.begin(uuids, now);
    if (this.#model !== undefined) turn.model ??= this.#model;
  }

  /** The main agent writes: a turn is under way, and a retry has succeeded. */
  #beginMessage(parentId: string | undefined, now: number): void {
    if (parentId !== undefined) return;
    this.#retry = undefined;
    if (!this.#book.current) this.#begin([], now);
  }

  #apiRetry(line: Extract<Raw, { kind: "api_retry" }>["line"], now: number): void {
    const category = categoryOf({ word: line.error, status: line.error_status ?? null });
    this.#retry = { dueAt: now + line.retry_delay_ms };
    this.#emit(
      progress(this.#book.nearestId, "retry", {
        attempt: line.attempt,
        max_attempts: line.max_retries,
        delay_ms: Math.round(line.retry_delay_ms),
        http_status: line.error_status ?? null,
        ...(category ? { error_category: category } : {}),
      }),
    );
    const turn = this.#book.running;
    if (!turn || category !== "auth_error") return;
    turn.authRetries++;
    if (turn.authRetries < authRetriesMax || turn.failure) return;
    const message = "The model service does not accept the key or the login";
    turn.failure = { message, category, status: line.error_status };
    this.#isGivingUp = true;
  }

  #backgroundTasks(tasks: readonly { task_type?: string | null | undefined }[]): void {
    const count = tasks.filter(({ task_type }) => /agent|workflow|teammate/.test(task_type ?? "")).length;
    if (count < this.#background && !this.#book.current && this.#isSessionBusy) this.#isNoticeDue = true;
    this.#background = count;
  }

  #sessionState(state: string): void {
    this.#isSessionBusy = state !== "idle";
    if (state !== "idle") return;
    this.#isNoticeDue = false;
    // Nothing more is coming: a message that was to be answered separately was not.
    for (const turn of [...this.#book.open]) if (turn.held) this.#finish(turn, turn.held);
  }

  #system(line: Extract<Raw, { kind: "system" }>["line"], now: number): void {
    if (line.subtype === "status" && line["status"] === "requesting" && this.#retry) this.#retry = undefined;
    this.#emitAll([systemFact(line, this.#book.nearestId, (id) => this.#tools.turnOf(id))]);
    if (line.subtype !== "task_notification" || typeof line["tool_use_id"] !== "string") return;
    this.#emitAll(this.#text.abandon(line["tool_use_id"]));
    this.#text.forget(line["tool_use_id"]);
    this.#emitAll(this.#tools.abandon({ parentId: line["tool_use_id"] }, now));
  }

  #result(line: Result, now: number): void {
    const isAgents = line.origin?.kind === "task-notification";
    const isResuming = this.#isResumed && this.#lastInit === "";
    const costUsd = this.#cost.read(line);
    const answered = { uuids: line.user_message_uuids ?? [], isAgents, isEmpty: line.num_turns === 0 };
    const turns = this.#book.answered(answered, now);
    this.#retry = undefined;
    if (turns.length === 0) {
      if (line.is_error) this.#failed(failureOf(line, undefined, isResuming), undefined);
      return;
    }
    this.#emitAll(this.#text.abandon(mainStream));
    let share: number | null = costUsd;
    for (const [i, turn] of turns.entries()) {
      const figures = figuresOf(line, { turn, costUsd: share, isResuming });
      // One result for two turns: the first has the figures, the others only how it went.
      const own = i === 0 ? figures : { ...emptyFigures(figures.status, 0), ...pickOutcome(figures) };
      share = 0;
      this.#emitAll(this.#tools.abandon({ turnId: turn.id }, now));
      if (own.failure && own.status === "error") this.#failed(own.failure, turn.id);
      else this.#failure = undefined;
      delete turn.failure;
      const sum = addFigures(turn.held, own);
      if (turn.inputs.size > 0) turn.held = sum;
      else this.#finish(turn, sum);
    }
  }

  #failed(failure: Failure, turnId: string | undefined): void {
    this.#failure = failure;
    this.#emit(errorEvent(failure, turnId));
  }

  #finish(turn: Turn, figures: Figures): void {
    this.#book.close(turn);
    this.#emit(resultEvent(turn, figures, this.#sessionId));
  }

  /** A subagent's lines belong to the turn that called it, also when they come between turns. */
  #turnIdOf(parentId: string | undefined): string {
    if (parentId === undefined) return this.#book.nearestId;
    return this.#tools.turnOf(parentId) ?? this.#book.nearestId;
  }

  /** The line goes with the first of its events. */
  #emit(event: SessionEvent): void {
    this.#outputs.push(this.#line === undefined ? { event } : { event, raw: this.#line });
    this.#line = undefined;
  }

  #emitAll(events: readonly (SessionEvent | undefined)[]): void {
    for (const event of events) if (event) this.#emit(event);
  }

  #changes(): boolean {
    const now = this.status;
    const before = this.#shown;
    this.#shown = now;
    return (
      before.activity !== now.activity ||
      before.turn_id !== now.turn_id ||
      before.background !== now.background ||
      before.agent_session_id !== now.agent_session_id ||
      before.model !== now.model
    );
  }
}

function parentOf(parentId: string | undefined): { parent_id?: string } {
  return parentId === undefined ? {} : { parent_id: parentId };
}

function pickOutcome({ status, reason, failure, text }: Figures): Partial<Figures> {
  return { status, ...(reason ? { reason } : {}), ...(failure ? { failure } : {}), ...(text ? { text } : {}) };
}
