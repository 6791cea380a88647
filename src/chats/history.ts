/** What was said in a chat: read from the logs of its sessions, the newest first, and told oldest first. */
import type { ChatMessage, ChatMessages } from "../protocol/chat.ts";
import type { LogLine } from "../protocol/line.ts";
import { readLinesBack } from "../session/read-back.ts";
import type { StoredLog } from "../session/read-lines.ts";
import type { ChatStep } from "../store/store.ts";

export interface HistoryQuery {
  limit: number;
  /** Only what stands before this offset. */
  before: number | undefined;
}

/** The place in a chat: the step's position, and behind it the number of the line. */
const linesMax = 1_000_000_000;
/** One answer holds no more, and at least one. */
const bytesMax = 8 * 1024 * 1024;

const told = /^\{"type":"(?:user_message|agent_message|tool_use|tool_result|result|error)"/;

interface Sized {
  message: ChatMessage;
  bytes: number;
}

/** `logOf` finds the log of a session, if there is one. */
export async function readHistory(
  steps: readonly ChatStep[],
  logOf: (sessionId: string) => Promise<StoredLog | undefined>,
  { limit, before = Number.MAX_SAFE_INTEGER }: HistoryQuery,
): Promise<ChatMessages> {
  const found: ChatMessage[] = [];
  let bytes = 0;
  let hasMore = false;
  for await (const sized of backFrom(steps, logOf, before)) {
    if (found.length >= limit || (found.length > 0 && bytes + sized.bytes > bytesMax)) {
      hasMore = true;
      break;
    }
    found.push(sized.message);
    bytes += sized.bytes;
  }
  const messages = found.reverse();
  const first = messages[0]?.offset ?? 0;
  return { messages, total: messages.length, has_more: hasMore, ...(first > 0 ? { before: first } : {}) };
}

async function* backFrom(
  steps: readonly ChatStep[],
  logOf: (sessionId: string) => Promise<StoredLog | undefined>,
  before: number,
): AsyncGenerator<Sized> {
  for (const step of [...steps].reverse()) {
    const start = step.position * linesMax;
    if (start >= before) continue;
    if (step.text !== null) {
      for (const message of withoutLog(step, step.text).reverse())
        if (message.offset < before) yield { message, bytes: step.text.length };
      continue;
    }
    const log = await logOf(step.session_id);
    if (!log) continue;
    for await (const { line, bytes } of readLinesBack(log, told)) {
      const offset = start + line.seq - 1;
      if (offset < before && isTold(line)) yield { message: messageOf(step.session_id, line, offset), bytes };
    }
  }
}

/** Text in pieces comes whole as well. */
function isTold(line: LogLine): boolean {
  return line.type !== "agent_message" || (!line.data.delta && line.data.superseded !== true);
}

function messageOf(session_id: string, { type, data, timestamp }: LogLine, offset: number): ChatMessage {
  return { session_id, type, data: { ...data }, offset, timestamp: new Date(timestamp).toISOString() };
}

/** A message that waits for its session, or never got one. */
function withoutLog({ session_id, position, sent_at, fault }: ChatStep, text: string): ChatMessage[] {
  const at = { session_id, timestamp: new Date(sent_at).toISOString() };
  const offset = position * linesMax;
  const said = { ...at, type: "user_message", data: { turn_id: null, kind: "prompt", text }, offset };
  if (fault === null) return [said];
  return [said, { ...at, type: "error", data: { ...fault, retryable: false }, offset: offset + 1 }];
}
