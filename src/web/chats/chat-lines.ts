/** What was said in a chat, as lines that stand at the chat's own offsets: from a page of its history, or from a session's log. */
import { readChat } from "../../client/chats.ts";
import type { ChatMessage, ChatMessages } from "../../protocol/chat.ts";
import { SessionEvent } from "../../protocol/event.ts";
import { address } from "../page/standing.ts";
import type { Span } from "../session/item-table.ts";
import type { Located } from "../session/line-reader.ts";
import { named } from "./session-names.ts";

/** As many places has a session in its chat; see docs/chats.md. */
export const linesMax = 1_000_000_000;
const pageMax = 200;

export function readPage(name: string, before?: number): Promise<ChatMessages> {
  return readChat(address(), { name, limit: pageMax, before });
}

/** Some of what stands before, the nearest, oldest first. */
export async function readBefore(name: string, before: number): Promise<{ lines: Located[]; span: { start: number } }> {
  const page = await readPage(name, before);
  return { lines: locatedOf(page.messages), span: { start: startOf(page) } };
}

/** Where a page begins: 0 when nothing stands before it. */
export function startOf({ has_more, before = 0 }: ChatMessages): number {
  return has_more ? before : 0;
}

/** What begins within a span, page by page from its end. */
export async function readChatSpan(name: string, { start, end }: Span): Promise<Located[]> {
  const pages: Located[][] = [];
  for (let before = end; before > start; ) {
    const page = await readPage(name, before);
    pages.unshift(locatedOf(page.messages));
    before = startOf(page);
  }
  return pages.flat().filter(({ span }) => span.start >= start);
}

/** Without what an import may hold and no version of ours knows. */
export function locatedOf(messages: readonly ChatMessage[]): Located[] {
  return messages.flatMap(({ session_id, type, data, offset, timestamp }) => {
    const event = SessionEvent.safeParse({ type, data }).data;
    if (!event) return [];
    const numbers = { timestamp: Date.parse(timestamp), sidecar_seq: 0, seq: (offset % linesMax) + 1 };
    return [{ line: named({ ...event, ...numbers }, session_id), span: { start: offset, end: offset + 1 } }];
  });
}
