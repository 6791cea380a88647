/** What every harness says in the same words: progress, lines it does not know, and lines that are no message. Pure. */
import type { EventOf } from "../src/protocol/event.ts";

const textMax = 8 * 1024;

export function progress(turnId: string, kind: string, data: Record<string, unknown>): EventOf<"progress"> {
  return { type: "progress", data: { ...data, turn_id: turnId, kind } };
}

/** A line that we do not know: a newer CLI says something new, and whoever reads the log may know what. */
export function unknownLine(text: string): EventOf<"system"> {
  return {
    type: "system",
    data: { subtype: "raw", text: text.slice(0, textMax), ...(text.length > textMax ? { cut: true } : {}) },
  };
}

export function plainLine(subtype: "stdout_raw" | "stderr", text: string): EventOf<"system"> {
  return { type: "system", data: { subtype, text } };
}

/** An MCP server that the session should have had; the agent works on without its tools. */
export function serverFailed(server: string, why: string): EventOf<"system"> {
  const message = `The MCP server "${server}" is not there: ${why}`;
  return { type: "system", data: { subtype: "mcp_server_failed", server, message } };
}

/** Members as they are, unless they are too long to be passed on unseen. */
export function bounded(data: Record<string, unknown>): Record<string, unknown> {
  const text = JSON.stringify(data);
  return text.length <= 4 * textMax ? data : { text: text.slice(0, textMax), cut: true };
}
