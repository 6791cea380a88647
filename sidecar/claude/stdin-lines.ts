/** What we write to Claude Code: one JSON object a line. Bad JSON would end it, so every line is made here. */
import type { Image } from "../../src/protocol/agent-options.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";

export interface UserLine {
  uuid: string;
  /** Text blocks of their own before what the person typed. */
  context: readonly string[];
  text: string;
  images?: readonly Image[];
  /** Cut what is being written, rather than wait for it. */
  isUrgent?: boolean;
}

export function userLine({ uuid, context, text, images = [], isUrgent }: UserLine): string {
  const pictures = images.map(({ media_type, data }) => ({
    type: "image",
    source: { type: "base64", media_type, data },
  }));
  const texts = [...context, text].map((piece) => ({ type: "text", text: piece }));
  return JSON.stringify({
    type: "user",
    message: { role: "user", content: [...pictures, ...texts] },
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

/** Holds from the next model request on. The CLI does not check the name. */
export function setModelLine(requestId: string, model: string): string {
  return control(requestId, { subtype: "set_model", model });
}

export function setPermissionModeLine(requestId: string, mode: PermissionMode): string {
  return control(requestId, { subtype: "set_permission_mode", mode: cliMode[mode] });
}

/** The CLI's words for who decides on tools. */
export const cliMode = { autonomous: "bypassPermissions", interactive: "default" } as const;

function control(requestId: string, request: Record<string, unknown>): string {
  return JSON.stringify({ type: "control_request", request_id: requestId, request });
}
