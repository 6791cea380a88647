/** What the CLI says of its session and of work under way, as `system` and `progress` events. Pure. */
import type { EventOf } from "../../src/protocol/event.ts";
import { bounded, progress } from "../facts.ts";
import type { Init, OtherSystem } from "./raw.ts";

export function initData(init: Init): EventOf<"system">["data"] {
  return {
    subtype: "init",
    session_id: init.session_id,
    ...(init.model ? { model: init.model } : {}),
    ...(init.cwd ? { cwd: init.cwd } : {}),
    tools: init.tools,
    mcp_servers: init.mcp_servers.map(({ name, status }) => ({ name, ...(status ? { status } : {}) })),
    agents: init.agents,
    ...(init.permissionMode ? { permission_mode: init.permissionMode } : {}),
    ...(init.claude_code_version ? { version: init.claude_code_version } : {}),
  };
}

export type Fact = EventOf<"system"> | EventOf<"progress">;

/** A system line that changes nothing here. `turnIdOf` finds the turn that a tool call was made in. */
export function systemFact(
  line: OtherSystem,
  turnId: string,
  turnIdOf: (toolUseId: string) => string | undefined,
): Fact | undefined {
  const { type: _type, uuid: _uuid, session_id: _session, subtype, ...rest } = line;
  switch (subtype) {
    case "status":
    case "thinking_tokens":
      return undefined;
    case "task_started":
    case "task_progress":
    case "task_updated":
    case "task_notification": {
      const owner = typeof rest["tool_use_id"] === "string" ? turnIdOf(rest["tool_use_id"]) : undefined;
      const { prompt: _prompt, ...task } = rest;
      return progress(owner ?? turnId, "task", { event: subtype.slice("task_".length), ...bounded(task) });
    }
    case "permission_denied":
      return progress(turnId, "permission_denied", bounded(rest));
    default:
      return { type: "system", data: { ...bounded(rest), subtype } };
  }
}

/** The list of a TodoWrite call, when it is one. */
export function todoProgress(name: string, input: unknown, turnId: string): EventOf<"progress"> | undefined {
  if (name !== "TodoWrite" || typeof input !== "object" || input === null || !("todos" in input)) return undefined;
  return Array.isArray(input.todos) ? progress(turnId, "todo", { items: input.todos }) : undefined;
}
