/**
 * Tool calls that never become an item (0.169.0): unknown tools, patches that do not apply, commands that were refused.
 * The raw items of the model's own protocol tell of them; a call is known to have none when its output is there.
 */
import type { ItemCall } from "./item-tool.ts";
import type { RawItemLine } from "./raw.ts";

type RawItem = RawItemLine["item"];

export interface LostCall extends ItemCall {
  id: string;
  output: unknown;
  isError: boolean;
}

interface Waiting {
  item: RawItem;
  threadId: string;
}

/** Tools that work without an item of their own; any other tool leaves none because it was refused. */
const quiet = new Set([
  "create_goal",
  "get_goal",
  "list_agents",
  "list_mcp_resource_templates",
  "list_mcp_resources",
  "read_mcp_resource",
  "request_user_input",
  "tool_search",
  "update_goal",
  "update_plan",
  "wait",
  "write_stdin",
]);
const callsMax = 1000;

export class RawCalls {
  readonly #waiting = new Map<string, Waiting>();

  /** A call became an item. In code mode the items have ids of their own: they stand for the script that is running. */
  becameItem(id: string, threadId: string): void {
    if (this.#waiting.delete(id) || !id.startsWith("exec-")) return;
    for (const [callId, waiting] of this.#waiting)
      if (waiting.threadId === threadId && waiting.item.name === "exec") this.#waiting.delete(callId);
  }

  /** Returns the call when its output shows that it never became an item. */
  seen(item: RawItem, threadId: string): LostCall | undefined {
    const id = item.call_id;
    if (!id) return undefined;
    if (item.type === "function_call" || item.type === "custom_tool_call") {
      this.#waiting.set(id, { item, threadId });
      const [oldest] = this.#waiting.keys();
      if (this.#waiting.size > callsMax && oldest !== undefined) this.#waiting.delete(oldest);
      return undefined;
    }
    if (!item.type.endsWith("_call_output")) return undefined;
    const waiting = this.#waiting.get(id);
    if (!waiting) return undefined;
    this.#waiting.delete(id);
    return { id, ...callOf(waiting.item), output: item.output, isError: !quiet.has(waiting.item.name ?? "") };
  }
}

function callOf(item: RawItem): ItemCall {
  const name = item.name ?? "";
  const input = parsed(item.arguments ?? item.input);
  const [, server] = /^mcp__(.+)$/s.exec(item.namespace ?? "") ?? [];
  if (server !== undefined) return { tool: { name, kind: "other", server }, input };
  switch (name) {
    case "exec_command":
    case "shell":
      return { tool: { name: "Bash", kind: "execute" }, input: commandInput(input) };
    case "apply_patch":
      return { tool: { name: "Edit", kind: "edit" }, input: typeof input === "string" ? { patch: input } : input };
    default:
      return { tool: { name, kind: name === "write_stdin" ? "execute" : "other" }, input };
  }
}

function commandInput(input: unknown): unknown {
  if (typeof input !== "object" || input === null || !("cmd" in input)) return input;
  const { cmd: command, ...rest } = input;
  return { command, ...rest };
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string") return value ?? {};
  try {
    return JSON.parse(value);
  } catch {
    // Freeform tools take text.
    return value;
  }
}
