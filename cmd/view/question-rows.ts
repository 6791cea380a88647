/** An open question as a prompt with keys, above the line that is typed. The whole of it stands in the conversation. Pure. */
import { visible } from "../../src/client/visible.ts";
import type { InputRequired } from "../../src/protocol/event.ts";
import { visibleLine } from "../plain-text.ts";
import { toolTitle } from "../render-tool.ts";
import { type Line, plain, type Span, wrapLine } from "./styled-line.ts";

const heads = { permission: "Allow", question: "The agent asks", plan: "Go on with this plan" } as const;

export function questionRows(
  question: InputRequired,
  { width, rowsMax, more, isCallAbove }: { width: number; rowsMax: number; more: number; isCallAbove: boolean },
): Line[] {
  const { kind, tool } = question;
  const about = tool && kind !== "question" ? toolTitle({ ...tool, id: "", turn_id: "" }) : firstLine(question);
  const waiting = more > 0 ? ` (${more} more ${more === 1 ? "waits" : "wait"})` : "";
  const head: Line = [
    { text: `? ${heads[kind]}: `, style: "yellow" },
    { text: about, style: "bold" },
    { text: waiting, style: "dim" },
  ];
  const rows = [
    ...wrapLine(head, width, "  "),
    ...(isCallAbove ? aboveRows(question, about) : []),
    ...choiceRows(question, width),
  ];
  const keys = wrapLine(keyLine(question), width, "  ");
  const room = Math.max(1, rowsMax - keys.length);
  const shown = rows.length > room ? [...rows.slice(0, room - 1), plain("  … above", "dim")] : rows;
  return [...shown, ...keys].slice(0, rowsMax);
}

/** Whoever decides is told where the rest of it stands. */
function aboveRows({ kind, tool }: InputRequired, about: string): Line[] {
  const { input } = tool ?? {};
  // A title has one field of a call.
  const hasMore = typeof input === "object" && input !== null && Object.keys(input).length > 1;
  if (kind === "question" || !(hasMore || about.endsWith("…"))) return [];
  return [plain("  The whole call stands above: PgUp", "dim")];
}

function firstLine({ message, questions = [] }: InputRequired): string {
  const [only] = questions;
  return visibleLine(questions.length === 1 && only ? only.text : message, 400);
}

function choiceRows({ questions = [], options, kind }: InputRequired, width: number): Line[] {
  if (kind !== "question") return [];
  return questions.flatMap(({ id, text }, at) => {
    const title = questions.length > 1 ? wrapLine(plain(`  ${at + 1}. ${visible(text)}`), width, "     ") : [];
    const choices = options.filter(({ question }) => question === undefined || question === id);
    const rows = choices.flatMap(({ label, description }, number) => {
      const line: Span[] = [
        { text: `  ${number + 1}) `, style: "cyan" },
        { text: visibleLine(label, 120) },
        ...(description === undefined ? [] : [{ text: ` ${visibleLine(description, 200)}`, style: "dim" as const }]),
      ];
      return wrapLine(line, width, "     ");
    });
    return [...title, ...rows];
  });
}

/** Whether a digit alone answers: not where it may be the beginning of words. */
export function isOneChoice({ kind, questions = [], options }: InputRequired): boolean {
  const [only] = questions;
  return kind === "question" && questions.length === 1 && !only?.multiple && !only?.free_text && options.length < 10;
}

function keyLine(question: InputRequired): Line {
  const { kind, questions = [] } = question;
  if (kind !== "question")
    return keys([
      ["a", "approve"],
      ...(question.options.some(({ id }) => id === "approve_session") ? [["s", "for this session"] as const] : []),
      ["d", "deny"],
      ["/deny REASON", ""],
    ]);
  if (isOneChoice(question))
    return keys([
      ["1-9", "choose"],
      ["/deny", "decline"],
    ]);
  const hints = [
    question.options.length > 0 ? "a number or your words" : "your words",
    ...(questions.some(({ multiple }) => multiple) ? ["1,3 for several"] : []),
    ...(questions.length > 1 ? ["; between answers"] : []),
  ];
  return keys([
    ["Enter", `answers: ${hints.join(", ")}`],
    ["/deny", "decline"],
  ]);
}

function keys(pairs: readonly (readonly [key: string, does: string])[]): Line {
  return pairs.flatMap(([key, does], at): Span[] => [
    { text: at === 0 ? "  " : "   " },
    { text: key, style: "bold" },
    { text: does === "" ? "" : ` ${does}`, style: "dim" },
  ]);
}
