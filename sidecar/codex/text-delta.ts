/** The hot path: most lines are pieces of text or output, so these are told by `typeof` rather than by a schema. */
import { isAgentId } from "../agent-id.ts";

export interface Delta {
  kind: "text" | "reasoning" | "output";
  threadId: string;
  itemId: string;
  text: string;
}

const kinds: ReadonlyMap<unknown, Delta["kind"]> = new Map([
  ["item/agentMessage/delta", "text"],
  ["item/reasoning/summaryTextDelta", "reasoning"],
  ["item/reasoning/textDelta", "reasoning"],
  ["item/commandExecution/outputDelta", "output"],
]);

/** Undefined for any other line. */
export function readDelta(value: unknown): Delta | undefined {
  if (!isObject(value) || !("method" in value) || !("params" in value)) return undefined;
  const kind = kinds.get(value.method);
  if (kind === undefined || "id" in value || !isObject(value.params)) return undefined;
  const { params } = value;
  if (!("threadId" in params) || !isAgentId(params.threadId)) return undefined;
  if (!("itemId" in params) || !isAgentId(params.itemId)) return undefined;
  if (!("delta" in params) || typeof params.delta !== "string") return undefined;
  return { kind, threadId: params.threadId, itemId: params.itemId, text: params.delta };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
