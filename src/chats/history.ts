/** What was said in a chat: read from the logs of its sessions, the newest first, and told oldest first. */
import type { ChatMessage, ChatMessages } from "../protocol/chat.ts";
import type { LogLine } from "../protocol/line.ts";
import { readLinesBack } from "../session/read-back.ts";
import { readLines, type StoredLog } from "../session/read-lines.ts";
import type { ChatStep } from "../store/store.ts";
import type { ImportedLog, ImportedMessage } from "./imported-log.ts";

export interface HistoryQuery {
  limit: number;
  /** Only what stands before this offset. */
  before: number | undefined;
}

/** The place in a chat: the step's position, and behind it the number of the line. */
const linesMax = 1_000_000_000;
/** One answer holds no more, and at least one. */
const bytesMax = 8 * 1024 * 1024;

const told =
  /^\{"type":"(?:user_message|agent_message|tool_use|tool_result|result|error|input_required|input_resolved)"/;

interface Sized {
  message: ChatMessage;
  bytes: number;
}

/** Where what was said is found. */
export interface Said {
  /** The log of a session, if there is one. */
  logOf(sessionId: string): Promise<StoredLog | undefined>;
  /** What was said before the chat came here, if anything was. */
  imported(): Promise<ImportedLog | undefined>;
}

export async function readHistory(
  steps: readonly ChatStep[],
  said: Said,
  { limit, before = Number.MAX_SAFE_INTEGER }: HistoryQuery,
): Promise<ChatMessages> {
  const found: ChatMessage[] = [];
  let bytes = 0;
  let hasMore = false;
  for await (const sized of backFrom(steps, said, before)) {
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

async function* backFrom(steps: readonly ChatStep[], said: Said, before: number): AsyncGenerator<Sized> {
  for (const step of [...steps].reverse()) {
    const start = step.position * linesMax;
    if (start >= before) continue;
    if (step.kind === "imported") {
      const log = await said.imported();
      for await (const found of log?.back(before - start) ?? [])
        yield { message: placed(found, start), bytes: found.bytes };
      continue;
    }
    if (step.text !== null) {
      for (const message of waitingOf(step, step.text).reverse())
        if (message.offset < before) yield { message, bytes: JSON.stringify(message).length };
      continue;
    }
    const log = await said.logOf(step.session_id);
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

/** The same oldest first, from the beginning. */
export async function* readForward(steps: readonly ChatStep[], said: Said): AsyncGenerator<ChatMessage> {
  for (const step of steps) {
    const start = step.position * linesMax;
    if (step.kind === "imported") {
      for await (const found of (await said.imported())?.forward() ?? []) yield placed(found, start);
      continue;
    }
    if (step.text !== null) {
      yield* waitingOf(step, step.text);
      continue;
    }
    const log = await said.logOf(step.session_id);
    if (!log) continue;
    for await (const line of readLines(log, told))
      if (isTold(line)) yield messageOf(step.session_id, line, start + line.seq - 1);
  }
}

/** Where it stood elsewhere says nothing here. */
function placed({ message, line }: ImportedMessage, start: number): ChatMessage {
  return { ...message, offset: start + line };
}

/** What is in no log yet, or never came into one: a message that waits for its session, or never got one. */
function waitingOf({ session_id, position, sent_at, fault }: ChatStep, text: string): ChatMessage[] {
  const at = { session_id, timestamp: new Date(sent_at).toISOString() };
  const offset = position * linesMax;
  const said = { ...at, type: "user_message", data: { turn_id: null, kind: "prompt", text }, offset };
  if (fault === null) return [said];
  return [said, { ...at, type: "error", data: { ...fault, retryable: false }, offset: offset + 1 }];
}
