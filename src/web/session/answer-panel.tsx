/** The question that has waited longest, with everything that is needed to decide, and the ways to answer it. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { visible } from "../../client/visible.ts";
import type { InputAnswer } from "../../protocol/command.ts";
import type { InputRequired } from "../../protocol/event.ts";
import { useKeys } from "../page/keys.ts";
import { Markdown } from "../text/markdown.tsx";
import { ToolInput } from "./tool-view.tsx";

/** Who answered the question before, or was in the midst of typing, must not answer this one by accident; as on a terminal. */
const readMs = 500;

interface AnswerProps {
  input: InputRequired;
  /** How many more wait behind it. */
  moreCount: number;
  onAnswer(answer: InputAnswer): Promise<void>;
}

export function AnswerPanel({ input, moreCount, onAnswer }: AnswerProps) {
  return (
    <section class="asks" aria-label="The agent asks">
      <p class="who" role="status">
        {input.kind === "question"
          ? "The agent asks"
          : input.kind === "plan"
            ? "The agent has a plan"
            : "The agent asks for permission"}
        {moreCount > 0 && ` · ${moreCount} more wait`}
      </p>
      {input.kind === "question" && input.questions ? (
        <Questions key={input.request_id} input={input} questions={input.questions} onAnswer={onAnswer} />
      ) : (
        <Permission key={input.request_id} input={input} onAnswer={onAnswer} />
      )}
    </section>
  );
}

function Permission({ input, onAnswer }: Pick<AnswerProps, "input" | "onAnswer">) {
  const isBusy = useBusyUntilSeen();
  const reason = useRef<HTMLInputElement>(null);
  const may = (decision: string) => input.options.length === 0 || input.options.some(({ id }) => id === decision);
  const answer = async (decision: InputAnswer["decision"]) => {
    if (isBusy.value || !may(decision)) return;
    const message = reason.current?.value.trim() ?? "";
    isBusy.value = true;
    await onAnswer({ decision, ...(decision === "deny" && message !== "" ? { message } : {}) });
    isBusy.value = false;
  };
  useKeys({
    a: () => void answer("approve_once"),
    s: () => void answer("approve_session"),
    d: () => void answer("deny"),
  });
  return (
    <>
      {input.kind === "plan" ? <Markdown text={input.message} /> : saysMore(input) && <p>{visible(input.message)}</p>}
      {input.tool && (
        <div class="wants">
          <strong>
            {input.tool.server === undefined ? "" : `${visible(input.tool.server)}/`}
            {visible(input.tool.name)}
          </strong>
          <ToolInput kind={input.tool.kind} input={input.tool.input} />
        </div>
      )}
      <div class="answers">
        <button type="button" class="main" disabled={isBusy.value} onClick={() => void answer("approve_once")}>
          Approve <kbd>a</kbd>
        </button>
        {may("approve_session") && input.options.length > 0 && (
          <button type="button" disabled={isBusy.value} onClick={() => void answer("approve_session")}>
            For this session <kbd>s</kbd>
          </button>
        )}
        <button type="button" class="danger" disabled={isBusy.value} onClick={() => void answer("deny")}>
          Deny <kbd>d</kbd>
        </button>
        <input ref={reason} aria-label="Why not, for the agent" placeholder="Why not (told to the agent)" />
      </div>
    </>
  );
}

/** Than the name of the tool, which stands below. */
function saysMore({ message, tool }: InputRequired): boolean {
  return (
    tool === undefined || message.trim() !== (tool.server === undefined ? tool.name : `${tool.server}/${tool.name}`)
  );
}

/** Whether no answer is taken now: one is under way, or the question has not been in sight for long enough. */
function useBusyUntilSeen(): Signal<boolean> {
  const isBusy = useSignal(true);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      clearTimeout(timer);
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      timer = setTimeout(() => {
        isBusy.value = false;
      }, readMs);
    };
    document.addEventListener("visibilitychange", look);
    look();
    return () => {
      document.removeEventListener("visibilitychange", look);
      clearTimeout(timer);
    };
  }, []);
  return isBusy;
}

type Asked = NonNullable<InputRequired["questions"]>[number];

function Questions(props: Pick<AnswerProps, "input" | "onAnswer"> & { questions: readonly Asked[] }) {
  const { input, questions, onAnswer } = props;
  const isBusy = useBusyUntilSeen();
  const form = useRef<HTMLFormElement>(null);
  const give = async (answer: InputAnswer) => {
    if (isBusy.value) return;
    isBusy.value = true;
    await onAnswer(answer);
    isBusy.value = false;
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (!form.current) return;
    const data = new FormData(form.current);
    const answers = Object.fromEntries(
      questions.map(({ id }) => [
        id,
        data
          .getAll(id)
          .map(String)
          .filter((words) => words.trim() !== ""),
      ]),
    );
    void give({ decision: "approve_once", answers });
  };
  return (
    <form ref={form} onSubmit={submit}>
      {questions.map((question) => (
        <Choices key={question.id} question={question} options={optionsOf(input, question)} />
      ))}
      <div class="answers">
        <button type="submit" class="main" disabled={isBusy.value}>
          Answer
        </button>
        <button type="button" class="danger" disabled={isBusy.value} onClick={() => void give({ decision: "deny" })}>
          Decline
        </button>
      </div>
    </form>
  );
}

function Choices({ question, options }: { question: Asked; options: InputRequired["options"] }) {
  return (
    <fieldset>
      <legend>{visible(question.text)}</legend>
      {options.map(({ id, label, description }) => (
        <label key={id}>
          <input type={question.multiple ? "checkbox" : "radio"} name={question.id} value={id} />
          <span>
            {visible(label)}
            {description !== undefined && <span class="dim"> {visible(description)}</span>}
          </span>
        </label>
      ))}
      {(question.free_text || options.length === 0) && (
        <input name={question.id} aria-label={`In your words: ${visible(question.text)}`} placeholder="In your words" />
      )}
    </fieldset>
  );
}

function optionsOf({ options }: InputRequired, { id }: Asked): InputRequired["options"] {
  return options.filter(({ question }) => question === undefined || question === id);
}
