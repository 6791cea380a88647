/** A line that was too long to be read, told by how it began. Pure. */
import type { OversizedLine } from "../blob-store.ts";

/**
 * A short line in place of a tool's result that went to a blob: the call ends as it did, and its output names the blob.
 * Undefined for any other line. (2.1.329 writes `{"type":"user",…,"tool_use_id":"…"` at the start of such a line.)
 */
export function standInFor({ stream, head, blob, bytes }: OversizedLine): string | undefined {
  if (stream !== "stdout" || !head.startsWith('{"type":"user"')) return undefined;
  const id = /"tool_use_id":"([\w-]{1,128})"/.exec(head)?.[1];
  if (id === undefined) return undefined;
  const content = `[${bytes} bytes of output, kept as blob ${blob ?? "nowhere: it could not be written"}]`;
  const message = { role: "user", content: [{ type: "tool_result", tool_use_id: id, content, is_error: false }] };
  return JSON.stringify({ type: "user", message, parent_tool_use_id: null });
}
