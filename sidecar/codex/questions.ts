/** What Codex asks of us: questions for a person, and requests that are answered at once. */
import * as z from "zod";
import type { InputAnswer } from "../../src/protocol/command.ts";
import type { Decision, EventOf, InputRequired } from "../../src/protocol/event.ts";
import { Elicitation, formContent, formQuestions } from "./elicitation.ts";
import { type ItemCall, unwrapped } from "./item-tool.ts";
import { type RpcId, refusal, reply } from "./requests.ts";

/** One request of the app-server, with what we know of its place. */
export interface Request {
  id: RpcId;
  method: string;
  params: Record<string, unknown>;
  turnId: string;
  parentId: string | undefined;
  /** The call of the item it is about, when that has started. */
  call: ItemCall | undefined;
}

/** What is shown to a person, and the line that each answer becomes. */
interface Question {
  input: Omit<InputRequired, "request_id" | "turn_id" | "parent_id">;
  answer(answer: InputAnswer): object;
}

interface OpenQuestion extends Question {
  id: RpcId;
  turnId: string;
}

export interface QuestionsOptions {
  /** Whether a person decides on tools. Questions for a person are for a person in every mode. */
  isAsking(): boolean;
}

const labels: Readonly<Record<Decision, string>> = {
  approve_once: "Allow once",
  approve_session: "Allow for this session",
  deny: "Deny",
};

export class Questions {
  readonly #options: QuestionsOptions;
  readonly #open = new Map<string, OpenQuestion>();

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  /** The event that asks a person, or the line that answers at once; undefined for what is being asked already. */
  asked(request: Request): { event: EventOf<"input_required"> } | { line: string } | undefined {
    const question = questionOf(request);
    if (!question) return { line: answerAtOnce(request) };
    if (question.input.kind === "permission" && !this.#options.isAsking())
      return { line: reply(request.id, question.answer({ decision: "approve_once" })) };
    const requestId = nameOf(request.id);
    if (this.#open.has(requestId)) return undefined;
    this.#open.set(requestId, { ...question, id: request.id, turnId: request.turnId });
    const parent = request.parentId === undefined ? {} : { parent_id: request.parentId };
    const data = { request_id: requestId, turn_id: request.turnId, ...question.input, ...parent };
    return { event: { type: "input_required", data } };
  }

  /**
   * Throws a sentence for people when the answer cannot be given. `note` is what Codex has no place for in its answer:
   * why a tool was denied.
   */
  respond(
    requestId: string,
    answer: InputAnswer & { by: string },
  ): { event: EventOf<"input_resolved">; line: string; note?: string } {
    const open = this.#open.get(requestId);
    if (!open) throw new Error(`no question ${JSON.stringify(requestId.slice(0, 80))} is open`);
    if (answer.updated_input !== undefined)
      throw new Error(
        "codex cannot call a tool with another input: approve the call, or deny it and say what to do instead",
      );
    const line = reply(open.id, open.answer(answer));
    this.#open.delete(requestId);
    const { decision, by, message } = answer;
    const data = { request_id: requestId, decision, by, ...(message === undefined ? {} : { message }) };
    const isNoted = decision === "deny" && open.input.kind === "permission" && message !== undefined;
    return { event: { type: "input_resolved", data }, line, ...(isNoted ? { note: message } : {}) };
  }

  /** Codex does not wait for an answer any more: of itself, or because the turn was told to end. */
  withdrawn(id: RpcId, isInterrupted: (turnId: string) => boolean): EventOf<"input_resolved">[] {
    const name = nameOf(id);
    const turnId = this.#open.get(name)?.turnId;
    return this.#close([name], turnId !== undefined && isInterrupted(turnId) ? "aborted" : "withdrawn");
  }

  turnEnded(turnId: string | "all"): EventOf<"input_resolved">[] {
    const ids = [...this.#open].flatMap(([name, open]) => (turnId === "all" || open.turnId === turnId ? [name] : []));
    return this.#close(ids, "aborted");
  }

  #close(names: readonly string[], decision: "withdrawn" | "aborted"): EventOf<"input_resolved">[] {
    return names
      .filter((name) => this.#open.delete(name))
      .map((request_id) => {
        const by = decision === "aborted" ? "agentd" : "agent";
        return { type: "input_resolved", data: { request_id, decision, by } };
      });
  }
}

const nameOf = (id: RpcId) => `ask-${id}`;

function questionOf(request: Request): Question | undefined {
  switch (request.method) {
    case "item/commandExecution/requestApproval":
      return commandQuestion(request);
    case "item/fileChange/requestApproval":
      return fileQuestion(request);
    case "item/permissions/requestApproval":
      return permissionsQuestion(request);
    case "mcpServer/elicitation/request":
      return elicitationQuestion(request);
    case "item/tool/requestUserInput":
      return userQuestion(request);
    default:
      return undefined;
  }
}

function answerAtOnce({ id, method }: Request): string {
  if (method === "item/tool/call")
    return reply(id, { contentItems: [{ type: "inputText", text: "There is no such tool." }], success: false });
  return refusal(id, `${method} is not supported`);
}

const text = z.string().nullish().catch(undefined);
const Approval = z.looseObject({ itemId: text, reason: text, command: text, cwd: text });

const optionsOf = (...decisions: Decision[]) => decisions.map((id) => ({ id, label: labels[id] }));
const decisionWords = { approve_once: "accept", approve_session: "acceptForSession", deny: "decline" } as const;
const decided = ({ decision }: InputAnswer) => ({ decision: decisionWords[decision] });

function commandQuestion({ params, call }: Request): Question {
  const { itemId, reason, command, cwd } = Approval.parse(params);
  const input = command ? { command: unwrapped(command), ...(cwd ? { cwd } : {}) } : (call?.input ?? {});
  return {
    input: {
      kind: "permission",
      tool: { ...(itemId ? { id: itemId } : {}), name: "Bash", kind: "execute", input },
      message: reason ?? "Codex wants to run a command",
      options: optionsOf("approve_once", "approve_session", "deny"),
    },
    answer: decided,
  };
}

function fileQuestion({ params, call }: Request): Question {
  const { itemId, reason } = Approval.parse(params);
  const { tool, input } = call ?? { tool: { name: "Edit", kind: "edit" as const }, input: {} };
  return {
    input: {
      kind: "permission",
      tool: { ...(itemId ? { id: itemId } : {}), ...tool, input },
      message: reason ?? "Codex wants to change files",
      options: optionsOf("approve_once", "approve_session", "deny"),
    },
    answer: decided,
  };
}

function permissionsQuestion({ params }: Request): Question {
  const { itemId, reason } = Approval.parse(params);
  const permissions = params["permissions"] ?? {};
  return {
    input: {
      kind: "permission",
      tool: { ...(itemId ? { id: itemId } : {}), name: "request_permissions", kind: "other", input: permissions },
      message: reason ?? "Codex asks for more permissions",
      options: optionsOf("approve_once", "approve_session", "deny"),
    },
    answer: ({ decision }) => ({
      permissions: decision === "deny" ? {} : permissions,
      scope: decision === "approve_session" ? "session" : "turn",
    }),
  };
}

function elicitationQuestion({ params }: Request): Question {
  const asked = Elicitation.parse(params);
  const meta = asked._meta;
  if (meta?.codex_approval_kind !== "mcp_tool_call") {
    const form = formQuestions(asked);
    return {
      input: { kind: "question", message: [asked.message, asked.url].filter(Boolean).join("\n"), ...form },
      answer: (answer) => elicited(answer, formContent(asked, answer), null),
    };
  }
  const tool = { name: meta.tool_name ?? "", kind: "other" as const, server: asked.serverName };
  const isLasting = meta.persist.includes("session");
  return {
    input: {
      kind: "permission",
      tool: { ...tool, input: meta.tool_params ?? {} },
      message: asked.message,
      options: isLasting ? optionsOf("approve_once", "approve_session", "deny") : optionsOf("approve_once", "deny"),
    },
    answer: (answer) => elicited(answer, {}, answer.decision === "approve_session" ? { persist: "session" } : null),
  };
}

function elicited({ decision }: InputAnswer, content: object, meta: object | null): object {
  return decision === "deny"
    ? { action: "decline", content: null, _meta: null }
    : { action: "accept", content, _meta: meta };
}

const UserInput = z.looseObject({
  itemId: text,
  questions: z
    .array(
      z.looseObject({
        id: z.string(),
        question: z.string(),
        isOther: z.boolean().catch(false),
        options: z
          .array(z.looseObject({ label: z.string(), description: text }))
          .nullish()
          .catch(undefined),
      }),
    )
    .catch([]),
});

function userQuestion({ params }: Request): Question {
  const { questions } = UserInput.parse(params);
  return {
    input: {
      kind: "question",
      message: questions.map(({ question }) => question).join("\n"),
      options: questions.flatMap(({ id, options }) =>
        (options ?? []).map(({ label, description }) => ({
          id: label,
          label,
          ...(description ? { description } : {}),
          question: id,
        })),
      ),
      questions: questions.map(({ id, question, isOther, options }) => ({
        id,
        text: question,
        multiple: false,
        free_text: isOther || !options || options.length === 0,
      })),
    },
    answer: ({ decision, answers = {}, message }) => ({
      answers: Object.fromEntries(
        (decision === "deny" ? [] : questions).map(({ id, question }) => {
          const given =
            own(answers, id) ?? own(answers, question) ?? (questions.length === 1 ? message : undefined) ?? [];
          return [id, { answers: typeof given === "string" ? [given] : given }];
        }),
      ),
    }),
  };
}

function own<T>(values: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined;
}
