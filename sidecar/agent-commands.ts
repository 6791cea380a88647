/**
 * What the agent is told while it runs: each command carried to its harness. A prompt or steer that comes again is not taken
 * again, and what the log must have of one is recorded.
 */
import type { Command, InterruptReason } from "../src/protocol/command.ts";
import { defined } from "../src/protocol/defined.ts";
import { messageOf } from "../src/protocol/error.ts";
import type { SessionEvent } from "../src/protocol/event.ts";
import type { Harness, HarnessOutput } from "./harness.ts";
import type { OpenInputs } from "./open-inputs.ts";
import type { OwedMessages } from "./owed-messages.ts";
import { TakenTurns } from "./taken-turns.ts";

/** Commands that are for the agent; the others are for the link. */
export type AgentCommand = Exclude<Command, { type: "ack" | "pause" | "resume" }>;

/** Those that the harness carries out. */
type HarnessCommand = Exclude<AgentCommand, { type: "stop" }>;

export interface AgentCommandsOptions {
  harness(): Harness;
  inputs: OpenInputs;
  owed: OwedMessages;
  /** An event of the sidecar's own, into the log. */
  record(event: SessionEvent): Promise<void>;
  /** What was held back of the harness's, into the log. */
  emit(outputs: readonly HarnessOutput[]): Promise<void>;
}

export class AgentCommands {
  readonly #options: AgentCommandsOptions;
  readonly #taken = new TakenTurns();
  /** While a steer is being handed over. */
  #heldBack: HarnessOutput[] | undefined;

  constructor(options: AgentCommandsOptions) {
    this.#options = options;
  }

  get #harness(): Harness {
    return this.#options.harness();
  }

  /** The highest number among the turn ids that came: whoever numbers turns must go on from there. */
  get lastTurn(): number {
    return this.#taken.last;
  }

  /** The id of a turn that nobody has given one. */
  newTurn(): string {
    return this.#taken.idFor(undefined);
  }

  /** The turn of a prompt or steer that came before. */
  takenBefore(command: AgentCommand): string | undefined {
    return command.type === "prompt" || command.type === "steer" ? this.#taken.of(command.data.turn_id) : undefined;
  }

  /** True while a steer is being handed over: what the harness says at once is told behind the record of it. */
  holdBack(outputs: readonly HarnessOutput[]): boolean {
    this.#heldBack?.push(...outputs);
    return this.#heldBack !== undefined;
  }

  /** The turn that a prompt or steer belongs to. Throws a sentence for people when it cannot be carried out. */
  carryOut(command: HarnessCommand): string | undefined {
    const harness = this.#harness;
    switch (command.type) {
      case "prompt":
        return this.#prompt(command.data);
      case "steer":
        return this.#steer(command.data);
      case "interrupt":
        harness.interrupt(withoutUndefined(command.data));
        return undefined;
      case "context":
        harness.context(command.data);
        return undefined;
      case "mention":
        harness.mention(command.data);
        return undefined;
      case "respond":
        this.#respond(command.data);
        return undefined;
      case "set_model":
        if (!harness.setModel) throw new Error("this agent cannot change its model while it runs");
        harness.setModel(command.data.model);
        return undefined;
      case "set_permission_mode":
        if (!harness.setPermissionMode) throw new Error("this agent cannot change its permission mode while it runs");
        harness.setPermissionMode(command.data.permission_mode);
        return undefined;
      case "finish":
        harness.finish();
        return undefined;
      default:
        return command satisfies never;
    }
  }

  #prompt({ content: text, turn_id, images }: Extract<HarnessCommand, { type: "prompt" }>["data"]): string {
    const characters = text.length + (images ?? []).reduce((sum, { data }) => sum + data.length, 0);
    this.#options.owed.assertRoom(characters);
    const turnId = this.#taken.idFor(turn_id);
    // Before it is given: a plain command's turn is over as soon as that.
    this.#options.owed.add(turnId, characters);
    try {
      this.#harness.prompt({ text, turnId, ...defined({ images }) });
    } catch (error) {
      this.#options.owed.settle(turnId);
      throw error;
    }
    return this.#taken.remember(turnId, turnId);
  }

  /** What the harness says of a steer at once comes behind the record of it, whose turn only the harness knows. */
  #steer({ content: text, turn_id, record, request }: Extract<HarnessCommand, { type: "steer" }>["data"]): string {
    this.#options.owed.assertRoom(text.length);
    const asked = this.#taken.idFor(turn_id);
    const behind: HarnessOutput[] = [];
    this.#heldBack = behind;
    let joined: string;
    try {
      joined = this.#harness.steer({ text, turnId: asked });
    } finally {
      this.#heldBack = undefined;
    }
    this.#options.owed.add(joined, text.length);
    const kind = joined === asked ? "prompt" : "steer";
    if (record)
      void this.#options.record({
        type: "user_message",
        data: { turn_id: joined, kind, text, ...defined({ request }) },
      });
    if (behind.length > 0) void this.#options.emit(behind);
    return this.#taken.remember(asked, joined);
  }

  #respond({ request_id: requestId, by, ...given }: Extract<HarnessCommand, { type: "respond" }>["data"]): void {
    const harness = this.#harness;
    if (!harness.respond) throw new Error("this agent never asks, so there is nothing to answer");
    const answer = { ...defined(given), decision: given.decision };
    if (!this.#options.inputs.answer(requestId, answer)) return;
    try {
      harness.respond({ ...answer, requestId, by });
    } catch (error) {
      this.#options.inputs.takeBack(requestId);
      throw error;
    }
  }

  /** The declared outcome of a question that nobody answered: the agent is told no, and why. */
  async expire(requestId: string, timeoutS: number): Promise<void> {
    const message = `Nobody answered within ${timeoutS} s, so this counts as denied. No person has decided on it.`;
    try {
      this.#respond({ request_id: requestId, by: "timeout", decision: "deny", message });
    } catch (error) {
      await this.#options.record({
        type: "error",
        data: {
          code: "agent_failed",
          message: `Cannot deny an expired question: ${messageOf(error)}`,
          retryable: false,
        },
      });
    }
  }
}

/** An optional value that is there and undefined is absent. */
function withoutUndefined(data: { reason: InterruptReason; detail?: string | undefined }) {
  const { reason, detail } = data;
  return detail === undefined ? { reason } : { reason, detail };
}
