/** The agent's own word for a tool: the protocol has only a title for people, and the word hides in other places. Pure. */
import type { ToolKind } from "../../src/protocol/event.ts";
import type { ToolName } from "../tool-calls.ts";
import type { ToolUpdate } from "./raw.ts";

/** Programs that put the tool's name into the title of a call's first update, before they replace it by a sentence. */
const namesInTitle = new Set(["OpenCode"]);

export interface NamedBy {
  agentName: string | undefined;
  firstTitle: string | undefined;
  kind: ToolKind;
  meta: ToolUpdate["_meta"];
}

export function toolNameOf({ agentName, firstTitle, kind, meta }: NamedBy): ToolName {
  const told = toldName(meta);
  if (told !== undefined) return { ...ofServer(told), kind };
  const isTitled = agentName !== undefined && namesInTitle.has(agentName) && /^[\w.:-]+$/.test(firstTitle ?? "");
  return { name: isTitled && firstTitle ? firstTitle : kind, kind };
}

/** `_meta.toolName`, or the same below a member of the agent's own: `_meta.claudeCode.toolName`. */
function toldName(meta: ToolUpdate["_meta"]): string | undefined {
  return toldIn(meta, "toolName");
}

/** The call of the subagent that made this call. */
export function parentOf(meta: ToolUpdate["_meta"]): string | undefined {
  return toldIn(meta, "parentToolUseId");
}

function toldIn(meta: ToolUpdate["_meta"], member: string): string | undefined {
  if (!meta) return undefined;
  for (const place of [meta, ...Object.values(meta)]) {
    if (typeof place !== "object" || place === null || !Object.hasOwn(place, member)) continue;
    const value: unknown = Reflect.get(place, member);
    if (typeof value === "string" && value !== "") return value;
  }
  return undefined;
}

function ofServer(name: string): { name: string; server?: string } {
  const [, server, tool] = /^mcp__(.+?)__(.+)$/.exec(name) ?? [];
  return server !== undefined && tool !== undefined ? { name: tool, server } : { name };
}
