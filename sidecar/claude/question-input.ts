/** Questions that Claude Code asks with choices (`AskUserQuestion`), and its form of the answers. Pure. */
import * as z from "zod";
import type { InputAnswer } from "../../src/protocol/command.ts";
import type { InputRequired } from "../../src/protocol/event.ts";
import { answersTo } from "../../src/protocol/input-answer.ts";

const Asked = z.looseObject({
  questions: z
    .array(
      z.looseObject({
        question: z.string(),
        options: z
          .array(z.looseObject({ label: z.string(), description: z.string().optional().catch(undefined) }))
          .catch([])
          .default([]),
        multiSelect: z.boolean().catch(false).default(false),
      }),
    )
    .catch([])
    .default([]),
});

type QuestionParts = Pick<InputRequired, "kind" | "message" | "options"> & {
  questions: NonNullable<InputRequired["questions"]>;
};

export function questionInput(input: Readonly<Record<string, unknown>>): QuestionParts {
  const { questions } = Asked.parse(input);
  return {
    kind: "question",
    message: questions.map(({ question }) => question).join("\n") || "The agent has a question.",
    questions: questions.map(({ question, multiSelect }, i) => ({
      id: `q${i + 1}`,
      text: question,
      multiple: multiSelect,
      // Its own dialog always lets people write something else.
      free_text: true,
    })),
    options: questions.flatMap(({ options }, i) =>
      options.map(({ label, description }, at) => ({
        id: `q${i + 1}.${at + 1}`,
        label,
        ...(description === undefined ? {} : { description }),
        question: `q${i + 1}`,
      })),
    ),
  };
}

/** The call with `answers` in it: by the question's text, the labels that were chosen. */
export function answeredQuestions(
  input: Readonly<Record<string, unknown>>,
  answer: InputAnswer,
): Record<string, unknown> {
  const { questions, options } = questionInput(input);
  const answers = questions.map((question) => {
    const words = answersTo(question, questions.length, answer).map(
      (word) => options.find((option) => option.question === question.id && option.id === word)?.label ?? word,
    );
    return [question.text, words.join(", ")] as const;
  });
  return { ...input, answers: Object.fromEntries(answers) };
}
