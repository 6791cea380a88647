/** The hot path: most lines are pieces of text, so these are told by `typeof` rather than by a schema. */
import { isAgentId } from "../agent-id.ts";

export interface Chunk {
  kind: "text" | "thought";
  text: string;
  /** Agents that name their messages let us tell where one ends and the next begins. */
  messageId: string | undefined;
}

/** A piece of text or thinking that says something; undefined for any other line, empty pieces included. */
export function readChunk(value: unknown): Chunk | undefined {
  if (!isObject(value) || !("method" in value) || value.method !== "session/update" || "id" in value) return undefined;
  if (!("params" in value) || !isObject(value.params) || !("update" in value.params)) return undefined;
  const { update } = value.params;
  if (!isObject(update) || !("sessionUpdate" in update) || !("content" in update)) return undefined;
  const kind = kindOf(update.sessionUpdate);
  const { content } = update;
  if (!kind || !isObject(content) || !("type" in content) || content.type !== "text" || "_meta" in update)
    return undefined;
  if (!("text" in content) || typeof content.text !== "string" || content.text === "") return undefined;
  const messageId = "messageId" in update && isAgentId(update.messageId) ? update.messageId : undefined;
  return { kind, text: content.text, messageId };
}

function kindOf(word: unknown): Chunk["kind"] | undefined {
  if (word === "agent_message_chunk") return "text";
  return word === "agent_thought_chunk" ? "thought" : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
