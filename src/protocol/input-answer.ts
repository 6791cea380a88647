/** Whether an answer fits its question, and whether two answers are the same. Pure. */
import type { InputAnswer } from "./command.ts";
import { defined } from "./defined.ts";
import type { InputRequired } from "./event.ts";

/** What is wrong with an answer, as a sentence for people; undefined when it fits. */
export function faultOf(input: InputRequired, answer: InputAnswer): string | undefined {
  if (answer.decision === "deny") return undefined;
  if (input.kind === "question") return unansweredOf(input, answer);
  const offered = input.options.some(({ id }) => id === answer.decision);
  if (input.options.length > 0 && !offered) return `this ${input.kind} cannot be answered with ${answer.decision}`;
  return undefined;
}

/** An answer that nobody gave is never made up: each question needs one, or the whole is declined. */
function unansweredOf({ questions = [] }: InputRequired, answer: InputAnswer): string | undefined {
  const open = questions.filter((question) => answersTo(question, questions.length, answer).length === 0);
  if (open.length === 0) return undefined;
  return `no answer to ${open.map(({ id, text }) => `${id} (${text.slice(0, 80)})`).join(", ")}: send answers {"${open[0]?.id}": …}, or deny`;
}

type Question = NonNullable<InputRequired["questions"]>[number];

/** What was said to one of so many questions: by its id or its text, or as the message when it is the only one. */
export function answersTo({ id, text }: Question, count: number, { answers, message }: InputAnswer): string[] {
  const given = own(answers, id) ?? own(answers, text) ?? (count === 1 ? message : undefined) ?? [];
  return (typeof given === "string" ? [given] : given).filter((part) => part.trim() !== "");
}

function own<T>(values: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return values && Object.hasOwn(values, key) ? values[key] : undefined;
}

/** The same decision with the same words. The order of keys says nothing. */
export function isSameAnswer(one: InputAnswer, other: InputAnswer): boolean {
  return canonical(answerOnly(one)) === canonical(answerOnly(other));
}

function answerOnly({ decision, message, updated_input, answers }: InputAnswer) {
  return defined({ decision, message, updated_input, answers });
}

/** JSON with the keys of each object in order. */
export function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part: unknown) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ) ?? ""
  );
}
