/**
 * The questions of an agent that wait for a person, the same for every harness: when they expire, who answered them,
 * and that each `input_required` ends in exactly one `input_resolved`, before the `result` of its turn.
 */
import type { InputAnswer } from "../src/protocol/command.ts";
import { defined } from "../src/protocol/defined.ts";
import { Decision, type EventOf, type InputRequired, type SessionEvent } from "../src/protocol/event.ts";
import { faultOf, isSameAnswer } from "../src/protocol/input-answer.ts";
import type { HarnessOutput } from "./harness.ts";

export interface OpenInputsOptions {
  /** Undefined lets questions wait for as long as it takes. */
  timeoutMs: number | undefined;
  now(): number;
  /** Nobody answered in time. */
  onExpired(requestId: string): void;
}

interface OpenInput {
  input: InputRequired;
  characters: number;
  answer: InputAnswer | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Open at once, and what they may hold; what is asked beyond these expires as it is asked, which the agent hears as a no. */
const openMax = 1000;
const openCharactersMax = 64 * 1024 * 1024;

/** The longest wait that setTimeout knows; nobody sets a longer one. */
const timerMsMax = 2 ** 31 - 1;

export class OpenInputs {
  readonly #options: OpenInputsOptions;
  readonly #open = new Map<string, OpenInput>();
  #characters = 0;

  constructor(options: OpenInputsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  /** What the harness emits, with what belongs to its questions added. The array itself when they are not concerned. */
  pass(outputs: readonly HarnessOutput[]): readonly HarnessOutput[] {
    if (!outputs.some(({ event }) => concernsInputs(event))) return outputs;
    return outputs.flatMap((output) => this.#passOne(output));
  }

  /** Closes what is still open: nobody will hear an answer any more. */
  abort(turnId?: string): HarnessOutput[] {
    const left = [...this.#open.values()].filter(({ input }) => turnId === undefined || input.turn_id === turnId);
    return left.map(({ input: { request_id } }) => {
      this.#close(request_id);
      return { event: { type: "input_resolved", data: { request_id, decision: "aborted", by: "agentd" } } };
    });
  }

  /**
   * Takes an answer before the harness does. False when this very answer was given already; throws a sentence for
   * people when there is no such question, another answer was first, or the answer does not fit.
   */
  answer(requestId: string, answer: InputAnswer): boolean {
    const open = this.#open.get(requestId);
    if (!open) throw new Error(`no question ${JSON.stringify(requestId.slice(0, 80))} is open`);
    if (open.answer) {
      if (isSameAnswer(open.answer, answer)) return false;
      throw new Error("another answer was given first");
    }
    const fault = faultOf(open.input, answer);
    if (fault !== undefined) throw new Error(fault);
    open.answer = answer;
    return true;
  }

  /** The harness could not pass the answer on: the question is as open as it was. */
  takeBack(requestId: string): void {
    const open = this.#open.get(requestId);
    if (open) open.answer = undefined;
  }

  #passOne(output: HarnessOutput): HarnessOutput[] {
    const { event } = output;
    switch (event.type) {
      case "input_required":
        return this.#open.has(event.data.request_id) ? [] : [{ ...output, event: this.#opened(event) }];
      case "input_resolved": {
        const resolved = this.#resolved(event);
        return resolved ? [{ ...output, event: resolved }] : [];
      }
      case "result":
        return [...this.abort(event.data.turn_id), output];
      default:
        return [output];
    }
  }

  #opened({ data }: EventOf<"input_required">): EventOf<"input_required"> {
    const { now, onExpired } = this.#options;
    const characters = JSON.stringify(data).length;
    const hasRoom = this.#open.size < openMax && this.#characters + characters <= openCharactersMax;
    const timeoutMs = hasRoom ? this.#options.timeoutMs : 0;
    const input = timeoutMs === undefined ? data : { ...data, expires_at: now() + timeoutMs };
    const { request_id } = data;
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () => {
              if (this.#open.get(request_id)?.answer === undefined) onExpired(request_id);
            },
            Math.min(timeoutMs, timerMsMax),
          );
    this.#open.set(request_id, { input, characters, answer: undefined, timer });
    this.#characters += characters;
    return { type: "input_required", data: input };
  }

  /** The record says what was answered, also where a harness only says that something was. */
  #resolved({ data }: EventOf<"input_resolved">): EventOf<"input_resolved"> | undefined {
    const open = this.#open.get(data.request_id);
    if (!open) return undefined;
    this.#close(data.request_id);
    if (!open.answer || !Decision.safeParse(data.decision).success) return { type: "input_resolved", data };
    const { message, answers, updated_input } = open.answer;
    const decision = data.by === "timeout" ? ("expired" as const) : data.decision;
    return {
      type: "input_resolved",
      data: { ...data, ...defined({ message, answers, updated_input }), decision },
    };
  }

  #close(requestId: string): void {
    const open = this.#open.get(requestId);
    clearTimeout(open?.timer);
    this.#characters -= open?.characters ?? 0;
    this.#open.delete(requestId);
  }
}

function concernsInputs({ type }: SessionEvent): boolean {
  return type === "input_required" || type === "input_resolved" || type === "result";
}
