/** What the program asks of a person, permissions and questions, in our words; and our answers in its words. Pure. */
import type { InputAnswer } from "../../src/protocol/command.ts";
import { defined } from "../../src/protocol/defined.ts";
import type { InputRequired } from "../../src/protocol/event.ts";
import { answersTo } from "../../src/protocol/input-answer.ts";
import { parentOf, type Whereabouts } from "./places.ts";
import type { PermissionAsked, QuestionAsked } from "./raw.ts";
import { toolNameOf } from "./tool-name.ts";
import type { RunningTool } from "./tool-parts.ts";

/** An answer on its way to the program. */
export type Reply =
  | { to: "permission"; id: string; body: { reply: "once" | "reject"; message?: string } }
  | { to: "question"; id: string; answers: string[][] }
  | { to: "question"; id: string; rejected: true };

export interface AskedBy extends Whereabouts {
  callId: string | undefined;
  /** The question may come before its call shows as running. */
  tool: RunningTool | undefined;
  /** Names of the MCP servers. */
  servers: readonly string[];
}

const decisions: InputRequired["options"] = [
  { id: "approve_once", label: "Allow once" },
  { id: "approve_session", label: "Allow this for the rest of the session" },
  { id: "deny", label: "Deny" },
];

/** What an approval for the session covers: the same permission for the very same targets. */
export function targetOf({ permission, patterns }: PermissionAsked): string {
  return JSON.stringify([permission, ...patterns]);
}

export function permissionInput(asked: PermissionAsked, by: AskedBy): InputRequired {
  const { permission, patterns, metadata } = asked;
  const target = patterns.length > 0 ? `: ${patterns.join(", ")}` : "";
  const running = by.tool;
  const tool = running
    ? { id: running.id, ...running.tool, input: running.input }
    : { ...defined({ id: by.callId }), ...toolNameOf(permission, by.servers), input: metadata ?? {} };
  return {
    request_id: asked.id,
    turn_id: by.turnId,
    kind: "permission",
    tool,
    message: `OpenCode asks for the permission "${permission}"${target}`,
    options: decisions,
    ...parentOf(by),
  };
}

export function questionInput({ id, questions }: QuestionAsked, by: AskedBy): InputRequired {
  const named = questions.map((question, i) => ({ ...question, id: `q${i + 1}` }));
  return {
    request_id: id,
    turn_id: by.turnId,
    kind: "question",
    message: questions.map(({ question }) => question).join("\n"),
    options: named.flatMap((question) =>
      question.options.map(({ label, description }) => ({
        id: label,
        label,
        ...(description ? { description } : {}),
        question: question.id,
      })),
    ),
    questions: named.map((question) => ({
      id: question.id,
      text: question.question,
      multiple: question.multiple ?? false,
      free_text: question.custom ?? true,
    })),
    ...parentOf(by),
  };
}

const deniedWithoutWords = "The user denied this. Go on without it, or ask how else to proceed.";

/** Throws a sentence for people when the program cannot do what was answered. */
export function replyTo(input: InputRequired, answer: InputAnswer): Reply {
  const id = input.request_id;
  if (answer.updated_input) throw new Error("OpenCode cannot call a tool with another input than it asked about");
  const isDenied = answer.decision === "deny";
  if (input.kind !== "question") {
    // A rejection without words would end the whole turn.
    const message = answer.message?.trim() || deniedWithoutWords;
    return { to: "permission", id, body: isDenied ? { reply: "reject", message } : { reply: "once" } };
  }
  if (isDenied) return { to: "question", id, rejected: true };
  const questions = input.questions ?? [];
  return { to: "question", id, answers: questions.map((question) => answersTo(question, questions.length, answer)) };
}
