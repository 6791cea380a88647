/** Agents count anew in each session: in a chat their names for calls, messages and questions are told apart by it. Pure. */
import type { InputRequired } from "../../protocol/event.ts";
import type { LogLine } from "../../protocol/line.ts";

export function named(line: LogLine, sessionId: string): LogLine {
  const own = (name: string) => nameIn(sessionId, name);
  switch (line.type) {
    case "agent_message":
      return { ...line, data: { ...line.data, item_id: own(line.data.item_id) } };
    case "tool_use":
      return { ...line, data: { ...line.data, id: own(line.data.id) } };
    case "tool_result":
      return { ...line, data: { ...line.data, id: own(line.data.id) } };
    case "input_required":
      return { ...line, data: namedInput(line.data, sessionId) };
    case "input_resolved":
      return { ...line, data: { ...line.data, request_id: own(line.data.request_id) } };
    default:
      return line;
  }
}

export function namedInput(input: InputRequired, sessionId: string): InputRequired {
  return { ...input, request_id: nameIn(sessionId, input.request_id) };
}

/** Which session asked, and what it calls its question. */
export function askedBy(chatRequestId: string): { sessionId: string; requestId: string } {
  const at = chatRequestId.indexOf(" ");
  return { sessionId: chatRequestId.slice(0, at), requestId: chatRequestId.slice(at + 1) };
}

/** Ids of sessions that run have no space. */
function nameIn(sessionId: string, name: string): string {
  return `${sessionId} ${name}`;
}
