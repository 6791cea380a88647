/** A chat as lines of JSON: itself, and everything that was said in it, oldest first. */
import type { ChatExport } from "../protocol/chat.ts";
import { defined } from "../protocol/defined.ts";
import type { ChatStep } from "../store/store.ts";
import { readForward, type Said } from "./history.ts";
import type { Chat } from "./state.ts";

export async function* exportLines({
  view,
  steps,
  said,
}: {
  view: Chat["view"];
  steps: readonly ChatStep[];
  said: Said;
}): AsyncGenerator<string> {
  const { name, config, created_at, session_chain, claude_session_ids = {} } = view;
  const last = [...session_chain].reverse().find((id) => claude_session_ids[id] !== undefined);
  const imported = steps.find(({ conversation }) => conversation !== null)?.conversation ?? undefined;
  const conversation = last === undefined ? imported : claude_session_ids[last];
  const head: ChatExport = { type: "chat", version: 1, name, config, created_at, ...defined({ conversation }) };
  yield `${JSON.stringify(head)}\n`;
  for await (const message of readForward(steps, said)) yield `${JSON.stringify(message)}\n`;
}
