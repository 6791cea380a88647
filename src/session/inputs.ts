/** The questions of a session that wait for a person, and how the others were answered. Kept from its events. */
import type { InputAnswer } from "../protocol/command.ts";
import { defined } from "../protocol/defined.ts";
import { AgentdError } from "../protocol/error.ts";
import { Decision, type InputRequired, type InputResolved, type SessionEvent } from "../protocol/event.ts";
import { faultOf, isSameAnswer } from "../protocol/input-answer.ts";
import { type Checkpoint, linesSince } from "./checkpoint.ts";
import type { StoredLog } from "./read-lines.ts";

/** Answered ones that are remembered, so that who asks again is told what became of it. */
const resolvedMax = 1000;

export class Inputs {
  readonly #open = new Map<string, InputRequired>();
  readonly #resolved = new Map<string, InputResolved>();
  /** Answers on their way to the agent. */
  readonly #given = new Map<string, { answer: InputAnswer; taken: Promise<void> }>();

  /** Those of a part of the log that was not read; read when somebody asks for one. */
  #before: (() => Promise<Inputs>) | undefined;

  /** Where to look for those that were closed in a part of the log that was not read. */
  closedBefore(read: () => Promise<Inputs>): void {
    let reading: Promise<Inputs> | undefined;
    this.#before = () => {
      reading ??= read().catch((error: unknown) => {
        reading = undefined;
        throw error;
      });
      return reading;
    };
  }

  /** Oldest first. */
  get open(): readonly InputRequired[] {
    return [...this.#open.values()];
  }

  note(event: SessionEvent): void {
    switch (event.type) {
      case "input_required":
        this.#open.set(event.data.request_id, event.data);
        return;
      case "input_resolved":
        return this.#close(event.data);
      case "exit":
        this.#open.clear();
        return;
      default:
        return;
    }
  }

  /**
   * Gives an answer, by `send`, unless it was given before: the first one counts, and the same again changes nothing.
   * Throws `input_not_found`, `input_answered`, or `invalid_request` when it does not fit the question.
   */
  async answer(requestId: string, answer: InputAnswer, send: () => Promise<void>): Promise<void> {
    const input = this.#open.get(requestId);
    if (!input) return this.#answerAgain(requestId, answer);
    const given = this.#given.get(requestId);
    if (given) {
      if (!isSameAnswer(given.answer, answer)) throw answeredError(requestId, given.answer.decision);
      return given.taken;
    }
    const fault = faultOf(input, answer);
    if (fault !== undefined) throw new AgentdError("invalid_request", `Cannot answer ${quoted(requestId)}: ${fault}`);
    const taken = this.#send(requestId, answer, send);
    this.#given.set(requestId, { answer, taken });
    return taken;
  }

  async #send(requestId: string, answer: InputAnswer, send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (error) {
      this.#given.delete(requestId);
      // It expired, was withdrawn or answered to the sidecar itself meanwhile: that says more than a refusal.
      if (!this.#open.has(requestId)) return this.#answerAgain(requestId, answer);
      throw error;
    }
  }

  /** How one was closed. */
  closed(requestId: string): InputResolved | undefined {
    return this.#resolved.get(requestId);
  }

  /** Throws unless this very answer is the one that was given. */
  async #answerAgain(requestId: string, answer: InputAnswer): Promise<void> {
    const resolved = this.#resolved.get(requestId) ?? (await this.#before?.())?.closed(requestId);
    if (!resolved) {
      throw new AgentdError(
        "input_not_found",
        `Cannot answer ${quoted(requestId)}: the session has no such question. GET /sessions/ID lists the open ones as inputs`,
      );
    }
    const decision = Decision.safeParse(resolved.decision);
    const isSame = decision.success && isSameAnswer({ ...resolved, decision: decision.data }, answer);
    if (!isSame) throw answeredError(requestId, resolved.decision, resolved.by);
  }

  #close(resolved: InputResolved): void {
    const { request_id } = resolved;
    this.#open.delete(request_id);
    this.#given.delete(request_id);
    this.#resolved.set(request_id, resolved);
    const [oldest] = this.#resolved.keys();
    if (this.#resolved.size > resolvedMax && oldest !== undefined) this.#resolved.delete(oldest);
  }
}

/** Adds what a log says of its questions. */
export async function readInputs(log: StoredLog, inputs: Inputs, checkpoint?: Checkpoint): Promise<Inputs> {
  const wanted = /^\{"type":"(input_required|input_resolved|exit)"/;
  for await (const { line } of linesSince(log, checkpoint, wanted)) inputs.note(line);
  if (checkpoint) inputs.closedBefore(() => readInputs(logBefore(log, checkpoint.offset), new Inputs()));
  return inputs;
}

function logBefore(log: StoredLog, end: number): StoredLog {
  return { end, readStored: (from, to) => log.readStored(from, to) };
}

/** Ends for questions that nobody will hear an answer to. */
export function abortedInputs(inputs: Inputs): SessionEvent[] {
  return inputs.open.map(({ request_id }) => ({
    type: "input_resolved",
    data: { request_id, decision: "aborted", by: "agentd" },
  }));
}

function answeredError(requestId: string, decision: string, by?: string): AgentdError {
  return new AgentdError(
    "input_answered",
    `Cannot answer ${quoted(requestId)}: it is closed already (${decision}${by === undefined ? "" : ` by ${by}`}). The first answer counts`,
    { details: defined({ decision, by }) },
  );
}

function quoted(requestId: string): string {
  return `the question ${JSON.stringify(requestId.slice(0, 80))}`;
}
