/** Items that are tool calls: what was called with what, and how it ended. Pure. */
import * as z from "zod";
import type { ToolKind } from "../../src/protocol/event.ts";
import { agentId } from "../agent-id.ts";
import type { CallEnd, ToolName } from "../tool-calls.ts";
import type { Item } from "./raw.ts";

export interface ItemCall {
  tool: ToolName;
  input: unknown;
}

const text = z.string().nullish().catch(undefined);
export const Command = z.looseObject({ command: z.string(), cwd: text, aggregatedOutput: text });
const Change = z.looseObject({
  path: z.string(),
  kind: z.looseObject({ type: z.string(), move_path: text }),
  diff: z.string().catch(""),
});
type Change = z.infer<typeof Change>;
export const Changes = z.looseObject({ changes: z.array(Change) });
export const McpCall = z.looseObject({
  server: z.string(),
  tool: z.string(),
  arguments: z.unknown().optional(),
  result: z.looseObject({ content: z.unknown() }).nullish().catch(undefined),
  error: z.looseObject({ message: z.string() }).nullish().catch(undefined),
});
export const DynamicCall = z.looseObject({
  tool: z.string(),
  arguments: z.unknown().optional(),
  contentItems: z.unknown(),
});
export const CollabCall = z.looseObject({
  tool: z.string(),
  prompt: text,
  model: text,
  receiverThreadIds: z.unknown(),
});

/** Undefined for an item that is no tool call, or not one that we can read. */
export function callOf(item: Item): ItemCall | undefined {
  switch (item.type) {
    case "commandExecution": {
      const { data } = Command.safeParse(item);
      if (!data) return undefined;
      const input = { command: unwrapped(data.command), ...(data.cwd ? { cwd: data.cwd } : {}) };
      return { tool: { name: "Bash", kind: "execute" }, input };
    }
    case "fileChange": {
      const { data } = Changes.safeParse(item);
      return data && { tool: { name: "Edit", kind: editKind(data.changes) }, input: editInput(data.changes) };
    }
    case "mcpToolCall": {
      const { data } = McpCall.safeParse(item);
      return data && { tool: { name: data.tool, kind: "other", server: data.server }, input: data.arguments ?? {} };
    }
    case "dynamicToolCall": {
      const { data } = DynamicCall.safeParse(item);
      return data && { tool: { name: data.tool, kind: "other" }, input: data.arguments ?? {} };
    }
    case "collabAgentToolCall": {
      const { data } = CollabCall.safeParse(item);
      if (!data) return undefined;
      const input = { ...(data.prompt ? { prompt: data.prompt } : {}), ...(data.model ? { model: data.model } : {}) };
      return { tool: { name: data.tool, kind: "think" }, input };
    }
    case "webSearch":
      return { tool: { name: "web_search", kind: "fetch" }, input: { query: item["query"] ?? null } };
    case "imageView":
      return { tool: { name: "view_image", kind: "read" }, input: { path: item["path"] ?? null } };
    case "imageGeneration":
    case "sleep":
      return { tool: { name: item.type, kind: "other" }, input: {} };
    default:
      return undefined;
  }
}

const failed = new Set(["failed", "declined"]);

export function endOf(item: Item): CallEnd {
  const isError = failed.has(item.status ?? "");
  return { id: item.id, content: outputOf(item) ?? (isError ? item.status : ""), isError };
}

function outputOf(item: Item): unknown {
  switch (item.type) {
    case "commandExecution":
      return Command.safeParse(item).data?.aggregatedOutput;
    case "fileChange":
      // The diff stands in the call; whether it was applied is what is new.
      if (item.status !== "completed") return undefined;
      return Changes.safeParse(item)
        .data?.changes.map(({ path, kind }) => `${kind.type} ${path}`)
        .join("\n");
    case "mcpToolCall": {
      const { data } = McpCall.safeParse(item);
      return data?.error?.message ?? data?.result?.content;
    }
    case "dynamicToolCall":
      return DynamicCall.safeParse(item).data?.contentItems;
    default:
      return undefined;
  }
}

/** Threads that a call of a sub-agent tool has to do with. */
export function receiversOf(item: Item): string[] {
  const { data } = CollabCall.safeParse(item);
  const ids = z.array(agentId).safeParse(data?.receiverThreadIds);
  return ids.data ?? [];
}

/** The script of `/bin/bash -lc '…'`, when nothing is lost by taking the quotes off; else the command as it is. */
export function unwrapped(command: string): string {
  const [, single, double] = /^(?:\S*\/)?(?:ba|z)?sh -l?c (?:'([^']*)'|"((?:[^"\\]|\\.)*)")$/s.exec(command) ?? [];
  if (single !== undefined) return single;
  return double === undefined ? command : double.replace(/\\([\\"$`!])/g, "$1");
}

function editKind(changes: readonly Change[]): ToolKind {
  if (changes.length > 0 && changes.every(({ kind }) => kind.type === "delete")) return "delete";
  if (changes.length > 0 && changes.every(({ kind }) => kind.move_path)) return "move";
  return "edit";
}

function editInput(changes: readonly Change[]): object {
  const [first] = changes;
  return {
    ...(first && changes.length === 1 ? { file_path: first.path } : {}),
    changes: changes.map(({ path, kind, diff }) => ({
      path,
      kind: kind.type,
      ...(kind.move_path ? { move_path: kind.move_path } : {}),
      diff,
    })),
  };
}
