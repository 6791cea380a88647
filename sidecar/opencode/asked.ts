/** The questions that are open, and what has been allowed for the whole session. */
import type { InputAnswer } from "../../src/protocol/command.ts";
import type { EventOf, InputRequired, InputResolved } from "../../src/protocol/event.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { BoundedMap } from "../bounded-memory.ts";
import { type AskedBy, permissionInput, questionInput, type Reply, replyTo, targetOf } from "./inputs.ts";
import type { PermissionAsked, QuestionAsked } from "./raw.ts";

interface OpenAsk {
  input: InputRequired;
  /** Of a permission. */
  target: string | undefined;
}

export interface Asking {
  event?: EventOf<"input_required">;
  /** Answered without a person. */
  reply?: Reply;
}

export class Asked {
  readonly #open = new Map<string, OpenAsk>();
  readonly #allowed = new BoundedMap<true>();
  mode: PermissionMode;

  constructor(mode: PermissionMode) {
    this.mode = mode;
  }

  get isWaiting(): boolean {
    return this.#open.size > 0;
  }

  permission(asked: PermissionAsked, by: AskedBy): Asking {
    const target = targetOf(asked);
    // Its own rules may ask where ours allow; nobody would ever answer.
    if (this.mode === "autonomous" || this.#allowed.has(target)) {
      return { reply: { to: "permission", id: asked.id, body: { reply: "once" } } };
    }
    return this.#opened(permissionInput(asked, by), target);
  }

  question(asked: QuestionAsked, by: AskedBy): Asking {
    if (this.mode === "autonomous") return { reply: { to: "question", id: asked.id, rejected: true } };
    return this.#opened(questionInput(asked, by), undefined);
  }

  /** Throws a sentence for people when there is no such question or the answer does not fit. */
  answer(requestId: string, answer: InputAnswer): { reply: Reply; input: InputRequired } {
    const open = this.#open.get(requestId);
    if (!open) throw new Error(`no question ${JSON.stringify(requestId.slice(0, 80))} is open`);
    const reply = replyTo(open.input, answer);
    this.#open.delete(requestId);
    if (answer.decision === "approve_session" && open.target !== undefined) this.#allowed.set(open.target, true);
    return { reply, input: open.input };
  }

  /** The program has settled it by itself. */
  settled(requestId: string): EventOf<"input_resolved">[] {
    return this.#open.delete(requestId) ? [resolved(requestId, "withdrawn", "agent")] : [];
  }

  /** With the turn, or all of them. */
  abort(turnId?: string): EventOf<"input_resolved">[] {
    const left = [...this.#open].filter(([, { input }]) => turnId === undefined || input.turn_id === turnId);
    return left.map(([id]) => {
      this.#open.delete(id);
      return resolved(id, "aborted", "agent");
    });
  }

  #opened(input: InputRequired, target: string | undefined): Asking {
    if (this.#open.has(input.request_id)) return {};
    this.#open.set(input.request_id, { input, target });
    return { event: { type: "input_required", data: input } };
  }
}

export function resolved(
  request_id: string,
  decision: InputResolved["decision"],
  by: string,
): EventOf<"input_resolved"> {
  return { type: "input_resolved", data: { request_id, decision, by } };
}
