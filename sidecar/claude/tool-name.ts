/** What a tool of Claude Code does, and whose it is. Names change between versions: an unknown one is `other`. */
import type { ToolKind } from "../../src/protocol/event.ts";
import type { ToolName } from "../tool-calls.ts";

const kinds: Readonly<Record<string, ToolKind>> = {
  Read: "read",
  NotebookRead: "read",
  ListMcpResources: "read",
  ReadMcpResource: "read",
  BashOutput: "read",
  TaskOutput: "read",
  Write: "edit",
  Edit: "edit",
  MultiEdit: "edit",
  NotebookEdit: "edit",
  Glob: "search",
  Grep: "search",
  LS: "search",
  LSP: "search",
  ToolSearch: "search",
  Bash: "execute",
  PowerShell: "execute",
  Monitor: "execute",
  KillShell: "execute",
  TaskStop: "execute",
  WebFetch: "fetch",
  WebSearch: "fetch",
  Agent: "think",
  Task: "think",
  TodoWrite: "think",
  ExitPlanMode: "think",
  EnterPlanMode: "think",
};

/** `mcp__SERVER__TOOL` is a tool of an MCP server. */
export function toolNameOf(called: string): ToolName {
  const parts = /^mcp__(.+?)__(.+)$/s.exec(called);
  if (parts) return { name: parts[2] ?? called, kind: "other", server: parts[1] ?? "" };
  return { name: called, kind: Object.hasOwn(kinds, called) ? (kinds[called] ?? "other") : "other" };
}
