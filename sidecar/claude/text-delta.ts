/** The hot path: most lines are pieces of text, so these are told by `typeof` rather than by a schema. */
import { isAgentId } from "../agent-id.ts";

export interface Delta {
  kind: "text" | "thinking";
  parent: string | undefined;
  index: number;
  text: string;
}

/** A piece of text or thinking; `"skip"` for other pieces (tool input, signatures); undefined for any other line. */
export function readDelta(value: unknown): Delta | "skip" | undefined {
  if (!isObject(value) || !("event" in value) || !isObject(value.event)) return undefined;
  const { event } = value;
  if (!("type" in event) || event.type !== "content_block_delta") return undefined;
  if (!("type" in value) || value.type !== "stream_event" || !("delta" in event) || !isObject(event.delta))
    return undefined;
  const { delta } = event;
  if (!("index" in event) || typeof event.index !== "number" || !("type" in delta)) return undefined;
  const parent =
    "parent_tool_use_id" in value && isAgentId(value.parent_tool_use_id) ? value.parent_tool_use_id : undefined;
  const { index } = event;
  if (delta.type === "text_delta") {
    return "text" in delta && typeof delta.text === "string"
      ? { kind: "text", parent, index, text: delta.text }
      : undefined;
  }
  if (delta.type === "thinking_delta") {
    return "thinking" in delta && typeof delta.thinking === "string"
      ? { kind: "thinking", parent, index, text: delta.thinking }
      : undefined;
  }
  return typeof delta.type === "string" ? "skip" : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
