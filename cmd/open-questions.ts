/** The questions of a watched session that are open, and what is meant by an answer to one of them. Pure. */
import * as z from "zod";
import type { InputAnswer } from "../src/protocol/command.ts";
import { InputRequired, InputResolved } from "../src/protocol/event.ts";

const Asked = z.object({ type: z.literal("input_required"), data: InputRequired });
const Closed = z.object({ type: z.literal("input_resolved"), data: InputResolved });
const lineStart = '{"type":"input_';

export class OpenQuestions {
  readonly #open = new Map<string, InputRequired>();
  /** Shown before their line came. */
  readonly #shown = new Set<string>();

  /** The one that has waited longest. */
  get first(): InputRequired | undefined {
    return this.#open.values().next().value;
  }

  get count(): number {
    return this.#open.size;
  }

  has(requestId: string): boolean {
    return this.#open.has(requestId);
  }

  /** A question from outside the log. True when it is news. */
  add(input: InputRequired): boolean {
    if (this.#open.has(input.request_id)) return false;
    this.#open.set(input.request_id, input);
    this.#shown.add(input.request_id);
    return true;
  }

  /** A log line; false when it only says again what was shown. */
  note(line: string): boolean {
    if (!line.startsWith(lineStart)) return true;
    const value = parsed(line);
    const asked = Asked.safeParse(value).data;
    if (asked) {
      this.#open.set(asked.data.request_id, asked.data);
      return !this.#shown.delete(asked.data.request_id);
    }
    const closed = Closed.safeParse(value).data;
    if (closed) this.#open.delete(closed.data.request_id);
    return true;
  }

  /** By its id or the beginning of it; without one the oldest. Throws a sentence when that is none, or several. */
  find(ref: string | undefined): InputRequired {
    return findInput([...this.#open.values()], ref);
  }
}

export function findInput(open: readonly InputRequired[], ref: string | undefined): InputRequired {
  const found = ref === undefined ? open.slice(0, 1) : open.filter(({ request_id }) => request_id.startsWith(ref));
  const exact = found.find(({ request_id }) => request_id === ref) ?? found[0];
  if (!exact) {
    throw new Error(
      open.length === 0 ? "No question is open" : `No open question begins with ${JSON.stringify(ref?.slice(0, 80))}`,
    );
  }
  if (found.length > 1 && exact.request_id !== ref)
    throw new Error("Several open questions begin so: give more of the id");
  return exact;
}

/**
 * An answer in a person's words: numbers choose (`2`, or `1,3` where several may be chosen), other words are the answer;
 * several questions are answered in their order, with `;` between.
 */
export function readAnswer({ questions = [], options }: InputRequired, words: string): InputAnswer {
  const parts = questions.length > 1 ? words.split(";") : [words];
  const answers = questions.flatMap((question, i) => {
    const part = parts[i]?.trim() ?? "";
    if (part === "") return [];
    const choices = options.filter((option) => option.question === undefined || option.question === question.id);
    const picked = part.split(",").map((number) => choices[Number(number) - 1]?.id);
    const isChoice = picked.every((id) => id !== undefined) && (question.multiple || picked.length === 1);
    return [[question.id, isChoice ? picked.filter((id) => id !== undefined) : part] as const];
  });
  if (questions.length === 0) return { decision: "approve_once", message: words };
  return { decision: "approve_once", answers: Object.fromEntries(answers) };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
