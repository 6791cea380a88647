/** Text of a question that an agent asks a person, and of how it ended. */
import { visible } from "../src/client/visible.ts";
import type { EventOf, InputRequired } from "../src/protocol/event.ts";
import { callText } from "./call-text.ts";
import type { FileDiff } from "./edit-diff.ts";
import { type Paint, subagentIndent } from "./event-text.ts";
import { visibleLine } from "./plain-text.ts";

const messageCharsMax = 400;
/** A call that is longer than this is shown field by field. */
const oneLineMax = 400;

const heads = { permission: "asks for permission", question: "asks", plan: "asks to confirm its plan" } as const;
const decisions = {
  approve_once: "approved",
  approve_session: "approved for this session",
  deny: "denied",
  expired: "expired: nobody answered in time",
  withdrawn: "withdrawn by the agent",
  aborted: "closed without an answer",
} as const;

/** All of what is asked, and nothing of it cut: somebody decides by it. `diffs` are shown beside it. */
export function inputRequiredText(data: InputRequired, paint: Paint, diffs: readonly FileDiff[] = []): string {
  const indent = subagentIndent(data);
  const id = visibleLine(data.request_id, 80);
  const lines = [paint("yellow", `? ${heads[data.kind]} [${id}]`)];
  if (data.kind !== "question" || !data.questions) lines.push(...visible(data.message).split("\n"));
  if (data.tool && data.kind === "permission") lines.push(...toolLines(data.tool, diffs));
  lines.push(...questionLines(data));
  if (data.expires_at !== undefined) lines.push(paint("dim", `open until ${timeText(data.expires_at)}`));
  return lines.map((line, i) => `${indent}${i === 0 ? "" : "  "}${line}\n`).join("");
}

export function inputResolvedText(data: EventOf<"input_resolved">["data"], paint: Paint): string {
  const message = data.message === undefined ? "" : `: ${visibleLine(data.message, messageCharsMax)}`;
  const by = visibleLine(data.by, 40);
  return `${paint("dim", `? [${visibleLine(data.request_id, 80)}] ${decisions[data.decision]} by ${by}${message}`)}\n`;
}

function toolLines({ name, server, input }: NonNullable<InputRequired["tool"]>, diffs: readonly FileDiff[]): string[] {
  const called = wholeLine(server === undefined ? name : `${server}/${name}`);
  const json = visible(JSON.stringify(input) ?? "");
  if (json.length <= oneLineMax) return [`${called} ${json}`];
  return [
    called,
    ...callText(input, diffs)
      .split("\n")
      .map((line) => `  ${line}`),
  ];
}

function questionLines({ kind, questions = [], options }: InputRequired): string[] {
  if (kind !== "question") return [];
  return questions.flatMap(({ id, text, multiple, free_text }, i) => {
    const hints = [...(multiple ? ["several may be chosen"] : []), ...(free_text ? ["or say it in your words"] : [])];
    const head = `${i + 1}. ${wholeLine(text)}${hints.length > 0 ? ` (${hints.join(", ")})` : ""}`;
    const choices = options.filter(({ question }) => question === undefined || question === id);
    return [
      head,
      ...choices.map(({ label, description }, at) => {
        const more = description === undefined ? "" : `: ${wholeLine(description)}`;
        return `   ${at + 1}) ${wholeLine(label)}${more}`;
      }),
    ];
  });
}

function wholeLine(text: string): string {
  return visibleLine(text, Number.POSITIVE_INFINITY);
}

function timeText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "an unknown time" : date.toISOString();
}
