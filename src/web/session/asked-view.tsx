/** A question in the conversation, open or answered long ago: what it was about, and what was said to each part of it. */
import { visible } from "../../client/visible.ts";
import type { EventOf, InputRequired } from "../../protocol/event.ts";
import { answersTo } from "../../protocol/input-answer.ts";
import { callTitle } from "./tool-view.tsx";

type Answer = EventOf<"input_resolved">["data"];

/** What the tool would be called with, in a line: all of it is in the call's own row. */
export function AskedCall({ input }: { input: unknown }) {
  const title = callTitle(input);
  return title === "" ? null : (
    <p class="asked-call">
      <code>{title}</code>
    </p>
  );
}

/** Each question with what was answered to it, choices by their words. */
export function Answers({ asked, answer }: { asked: InputRequired; answer: Answer | undefined }) {
  const { questions = [], options } = asked;
  const wordsOf = (question: (typeof questions)[number]) => {
    if (!answer || answer.decision === "expired" || answer.decision === "withdrawn" || answer.decision === "aborted")
      return [];
    return answersTo(question, questions.length, { ...answer, decision: answer.decision }).map((given) => {
      const isOwn = (option: (typeof options)[number]) =>
        option.question === undefined || option.question === question.id;
      return options.find((option) => isOwn(option) && option.id === given)?.label ?? given;
    });
  };
  return (
    <dl class="asked">
      {questions.map((question) => (
        <div key={question.id}>
          <dt class="said">{visible(question.text)}</dt>
          {wordsOf(question).map((words, at) => (
            <dd class="said" key={at}>
              {visible(words)}
            </dd>
          ))}
        </div>
      ))}
    </dl>
  );
}
