/**
 * Permission that the agent asks for, as events, and what it is told. Pure. The agent's own "always" is never chosen while it
 * knows "once": it is wider than the call that was approved, and some write it into the project. What a person approved
 * for the session is remembered here, for the same tool and target only.
 */
import type { RequestPermissionOutcome } from "@agentclientprotocol/sdk";
import type { InputAnswer } from "../../src/protocol/command.ts";
import type { Decision, EventOf, SessionEvent } from "../../src/protocol/event.ts";
import { canonical } from "../../src/protocol/input-answer.ts";
import { BoundedMap } from "../bounded-memory.ts";
import { progress } from "../facts.ts";
import type { ToolName } from "../tool-calls.ts";
import { outcomeLine, refusalLine, requestCancelled } from "./outgoing.ts";
import type { PermissionAsk, RequestId } from "./raw.ts";
import type { Call } from "./tool-updates.ts";

type Option = PermissionAsk["options"][number];

interface Open {
  rpcId: RequestId;
  requestId: string;
  options: readonly Option[];
  rule: string;
}

export interface Asked {
  id: RequestId;
  ask: PermissionAsk;
  call: Call;
  tool: ToolName;
}

/** An answer at once, a question, or both when a rule is worth a word. */
export interface Told {
  event?: SessionEvent;
  line?: string;
}

export class Permissions {
  readonly #open = new Map<string, Open>();
  readonly #approved = new BoundedMap<true>();
  #count = 0;

  asked(asked: Asked, isAutonomous: boolean): Told {
    const { id, ask, call, tool } = asked;
    const once = allowing(ask.options);
    if (isAutonomous) return { line: outcomeLine(id, once ? selected(once) : (refusing(ask.options) ?? cancelled)) };
    const rule = ruleOf(call, tool);
    if (once && this.#approved.has(rule)) {
      const event = progress(call.turnId, "permission_granted", { by: "session", name: tool.name });
      return { event, line: outcomeLine(id, selected(once)) };
    }
    this.#count++;
    const requestId = `permission-${this.#count}`;
    this.#open.set(requestId, { rpcId: id, requestId, options: ask.options, rule });
    return { event: { type: "input_required", data: inputOf(requestId, asked) } };
  }

  /** Throws a sentence for people when there is no such question, or the agent cannot be told this. */
  respond(answer: InputAnswer & { requestId: string; by: string }): { event: EventOf<"input_resolved">; line: string } {
    const { requestId, decision, by, message } = answer;
    const open = this.#open.get(requestId);
    if (!open) throw new Error(`no question ${JSON.stringify(requestId.slice(0, 80))} is open`);
    if (answer.updated_input !== undefined)
      throw new Error("this agent takes a yes or a no; it cannot be given another input");
    const outcome = outcomeOf(decision, open.options);
    if (decision === "approve_session") this.#approved.set(open.rule, true);
    this.#open.delete(requestId);
    const data = { request_id: requestId, decision, by, ...(message === undefined ? {} : { message }) };
    return { event: { type: "input_resolved", data }, line: outcomeLine(open.rpcId, outcome) };
  }

  /** The turn is being cancelled: the protocol asks for this answer to each open question. */
  cancel(): { events: SessionEvent[]; lines: string[] } {
    const left = [...this.#open.values()];
    this.#open.clear();
    return {
      events: left.map(({ requestId: request_id }) => ({
        type: "input_resolved",
        data: { request_id, decision: "aborted", by: "agentd" },
      })),
      lines: left.map(({ rpcId }) => outcomeLine(rpcId, cancelled)),
    };
  }

  /** The agent no longer wants to know. */
  withdrawn(rpcId: RequestId): { event?: SessionEvent; line?: string } {
    const open = [...this.#open.values()].find((asked) => asked.rpcId === rpcId);
    if (!open) return {};
    this.#open.delete(open.requestId);
    return {
      event: { type: "input_resolved", data: { request_id: open.requestId, decision: "withdrawn", by: "agent" } },
      line: refusalLine(rpcId, { code: requestCancelled, message: "Request cancelled" }),
    };
  }
}

const cancelled: RequestPermissionOutcome = { outcome: "cancelled" };

function selected({ optionId }: Option): RequestPermissionOutcome {
  return { outcome: "selected", optionId };
}

const ofKind = (options: readonly Option[], kind: string) => options.find((option) => option.kind === kind);

/** By kind, never by id or place: agents differ in both. */
function allowing(options: readonly Option[]): Option | undefined {
  return ofKind(options, "allow_once") ?? ofKind(options, "allow_always");
}

function refusing(options: readonly Option[]): RequestPermissionOutcome | undefined {
  const option = ofKind(options, "reject_once") ?? ofKind(options, "reject_always");
  return option && selected(option);
}

function outcomeOf(decision: Decision, options: readonly Option[]): RequestPermissionOutcome {
  if (decision === "deny") return refusing(options) ?? cancelled;
  const option = decision === "approve_once" ? ofKind(options, "allow_once") : allowing(options);
  if (!option) throw new Error(`this agent cannot be told ${decision} here`);
  return selected(option);
}

function inputOf(requestId: string, { ask, call, tool }: Asked): EventOf<"input_required">["data"] {
  const once = ofKind(ask.options, "allow_once");
  const isPlan = tool.name === "ExitPlanMode";
  return {
    request_id: requestId,
    turn_id: call.turnId,
    kind: isPlan ? "plan" : "permission",
    tool: { id: call.id, ...tool, input: call.input ?? {} },
    message: call.title ?? tool.name,
    options: [
      ...(once ? [{ id: "approve_once", label: once.name ?? "Yes" }] : []),
      ...(allowing(ask.options)
        ? [{ id: "approve_session", label: "Yes, and do not ask again for this very call in this session" }]
        : []),
      { id: "deny", label: ofKind(ask.options, "reject_once")?.name ?? "No" },
    ],
  };
}

/** What each kind of tool acts on; others are the same only with the same input. */
const targets: Readonly<Record<string, readonly string[]>> = {
  execute: ["command", "cmd"],
  fetch: ["url"],
  read: ["file_path", "filePath", "absolute_path", "path"],
  edit: ["file_path", "filePath", "filepath", "absolute_path", "path"],
};

function ruleOf({ input, kind }: Call, { name, server }: ToolName): string {
  const members = Object.hasOwn(targets, kind) ? (targets[kind] ?? []) : [];
  const target = members.map((member) => memberOf(input, member)).find((value) => value !== undefined);
  return canonical([server ?? null, name, target ?? input ?? null]);
}

function memberOf(input: unknown, member: string): unknown {
  if (typeof input !== "object" || input === null || !Object.hasOwn(input, member)) return undefined;
  return Reflect.get(input, member);
}
