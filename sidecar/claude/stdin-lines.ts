/** What we write to Claude Code: one JSON object a line. Bad JSON would end it, so every line is made here. */
import type { ControlRequest } from "./raw.ts";

export interface UserLine {
  uuid: string;
  /** Text blocks of their own before what the person typed. */
  context: readonly string[];
  text: string;
  /** Cut what is being written, rather than wait for it. */
  isUrgent?: boolean;
}

export function userLine({ uuid, context, text, isUrgent }: UserLine): string {
  return JSON.stringify({
    type: "user",
    message: { role: "user", content: [...context, text].map((piece) => ({ type: "text", text: piece })) },
    parent_tool_use_id: null,
    session_id: "",
    uuid,
    // The text is taken as written: no slash commands, no files attached for an `@` (seen with 2.1.329).
    client_composed: true,
    ...(isUrgent ? { priority: "now" } : {}),
  });
}

export interface AgentDefinition {
  description: string;
  prompt: string;
  tools?: string[];
  model?: string;
}

export interface Instructions {
  appendSystemPrompt?: string;
  agents?: Record<string, AgentDefinition>;
}

export function initializeLine(requestId: string, instructions: Instructions): string {
  return control(requestId, { subtype: "initialize", ...instructions });
}

/** Waiting messages go with the turn: only steers wait in the agent, and they were for that turn. */
export function interruptLine(requestId: string): string {
  return control(requestId, { subtype: "interrupt", cancel_queued: true });
}

function control(requestId: string, request: Record<string, unknown>): string {
  return JSON.stringify({ type: "control_request", request_id: requestId, request });
}

/** Nothing should be asked of us in autonomous mode; an unanswered question would hold the agent for ever. */
export function answerTo({ request_id, request }: ControlRequest): string {
  const response =
    request.subtype === "can_use_tool"
      ? { subtype: "success", request_id, response: { behavior: "allow", updatedInput: request.input ?? {} } }
      : { subtype: "error", request_id, error: `${request.subtype} is not supported` };
  return JSON.stringify({ type: "control_response", response });
}
