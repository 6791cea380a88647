/**
 * What Claude Code asks a person (`can_use_tool`), as events, and what it is told. Pure. Rules for the session are kept
 * here and not in the CLI: what it suggests is wider than the call that was approved, and may be written to the project.
 */
import type { InputAnswer } from "../../src/protocol/command.ts";
import type { EventOf } from "../../src/protocol/event.ts";
import { canonical } from "../../src/protocol/input-answer.ts";
import { BoundedMap } from "../bounded-memory.ts";
import { planInput } from "./plan-input.ts";
import { answeredQuestions, questionInput } from "./question-input.ts";
import { CanUseTool, type ControlRequest } from "./raw.ts";
import { toolNameOf } from "./tool-name.ts";

/** Where a call belongs. */
export interface CallPlace {
  turnId: string;
  parentId: string | undefined;
}

interface Open {
  ask: CanUseTool;
  turnId: string;
}

/** What comes of a request: an answer at once, a question, or both when a rule is worth a word. */
export interface Asked {
  event?: EventOf<"input_required"> | EventOf<"progress">;
  reply?: string;
}

export class Questions {
  readonly #open = new Map<string, Open>();
  /** Calls approved for the session: tool and target. */
  readonly #approved = new BoundedMap<true>();

  /** `isAutonomous`: nobody is to be asked. An unanswered question would hold the agent for ever. */
  asked(line: ControlRequest, { place, isAutonomous }: { place: CallPlace; isAutonomous: boolean }): Asked {
    const { request_id } = line;
    const parsed = CanUseTool.safeParse(line.request);
    if (!parsed.success) return { reply: refusal(request_id, `${line.request.subtype} is not supported`) };
    const ask = parsed.data;
    if (isAutonomous) return { reply: autonomousReply(request_id, ask) };
    const { tool_name: name } = ask;
    if (this.#approved.has(ruleOf(name, ask.input))) {
      const data = { kind: "permission_granted", turn_id: place.turnId, by: "session", name };
      return { event: { type: "progress", data }, reply: allow(request_id, ask.input) };
    }
    this.#open.set(request_id, { ask, turnId: place.turnId });
    return { event: { type: "input_required", data: inputOf(request_id, ask, place) } };
  }

  /** Throws a sentence for people when there is no such question. */
  respond(answer: InputAnswer & { requestId: string; by: string }): {
    event: EventOf<"input_resolved">;
    reply: string;
  } {
    const { requestId, decision, by, message } = answer;
    const open = this.#open.get(requestId);
    if (!open) throw new Error(`no question ${JSON.stringify(requestId.slice(0, 80))} is open`);
    this.#open.delete(requestId);
    const data = { request_id: requestId, decision, by, ...(message === undefined ? {} : { message }) };
    return { event: { type: "input_resolved", data }, reply: this.#reply(requestId, open.ask, answer) };
  }

  /** The agent no longer wants to know. Undefined when it never asked, or was answered. */
  withdrawn(requestId: string, isInterrupted: (turnId: string) => boolean): EventOf<"input_resolved"> | undefined {
    const open = this.#open.get(requestId);
    if (!open) return undefined;
    this.#open.delete(requestId);
    const isOurs = isInterrupted(open.turnId);
    const data = isOurs
      ? ({ request_id: requestId, decision: "aborted", by: "agentd" } as const)
      : ({ request_id: requestId, decision: "withdrawn", by: "agent" } as const);
    return { type: "input_resolved", data };
  }

  #reply(requestId: string, ask: CanUseTool, answer: InputAnswer): string {
    if (answer.decision === "deny") return deny(requestId, answer.message ?? "The user said no to this.");
    if (ask.tool_name === "AskUserQuestion") return allow(requestId, answeredQuestions(ask.input, answer));
    const input = answer.updated_input ?? ask.input;
    if (answer.decision === "approve_session") this.#approved.set(ruleOf(ask.tool_name, input), true);
    return allow(requestId, input);
  }
}

function inputOf(requestId: string, ask: CanUseTool, place: CallPlace): EventOf<"input_required">["data"] {
  const own =
    ask.tool_name === "AskUserQuestion"
      ? questionInput(ask.input)
      : ask.tool_name === "ExitPlanMode"
        ? planInput(ask.input)
        : permissionInput(ask);
  return {
    request_id: requestId,
    turn_id: place.turnId,
    ...own,
    tool: { ...(ask.tool_use_id ? { id: ask.tool_use_id } : {}), ...toolNameOf(ask.tool_name), input: ask.input },
    ...(place.parentId === undefined ? {} : { parent_id: place.parentId }),
  };
}

function permissionInput(ask: CanUseTool): Pick<EventOf<"input_required">["data"], "kind" | "message" | "options"> {
  const { name, server } = toolNameOf(ask.tool_name);
  const what = `${server === undefined ? name : `${server}/${name}`}${ask.description ? `: ${ask.description}` : ""}`;
  const reasons = [...(ask.decision_reason ? [ask.decision_reason] : [])];
  if (ask.blocked_path) reasons.push(`It touches ${ask.blocked_path}`);
  return {
    kind: "permission",
    message: [what, ...reasons].join("\n"),
    options: [
      { id: "approve_once", label: "Yes" },
      { id: "approve_session", label: "Yes, and do not ask again for this very call in this session" },
      { id: "deny", label: "No" },
    ],
  };
}

/** What a tool acts on: the same tool on the same target is not asked for again. Other tools: their whole input. */
const targets: Readonly<Record<string, string>> = {
  Bash: "command",
  Read: "file_path",
  Write: "file_path",
  Edit: "file_path",
  MultiEdit: "file_path",
  NotebookEdit: "notebook_path",
  WebFetch: "url",
  WebSearch: "query",
};

function ruleOf(tool: string, input: Readonly<Record<string, unknown>>): string {
  const member = Object.hasOwn(targets, tool) ? targets[tool] : undefined;
  const target = member === undefined ? undefined : input[member];
  // A command outside its sandbox is another act than the same command in it.
  const isUnguarded = input["dangerouslyDisableSandbox"] === true;
  return canonical([tool, typeof target === "string" ? target : input, isUnguarded]);
}

/** Nobody is there: tools are allowed as the mode says, and a question is declined rather than answered. */
function autonomousReply(requestId: string, { tool_name, input }: CanUseTool): string {
  if (tool_name === "AskUserQuestion") return deny(requestId, "Nobody can be asked in this session. Decide yourself.");
  return allow(requestId, input);
}

/** 2.1.197 fails a call that is allowed without its input. */
function allow(requestId: string, updatedInput: Readonly<Record<string, unknown>>): string {
  return reply({ subtype: "success", request_id: requestId, response: { behavior: "allow", updatedInput } });
}

function deny(requestId: string, message: string): string {
  return reply({ subtype: "success", request_id: requestId, response: { behavior: "deny", message } });
}

function refusal(requestId: string, error: string): string {
  return reply({ subtype: "error", request_id: requestId, error });
}

function reply(response: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ type: "control_response", response });
}
