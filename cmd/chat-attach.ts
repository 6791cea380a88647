/** `agentd chat attach`: talks in a chat, on the whole of a terminal or by lines. */
import * as z from "zod";
import type { DaemonAddress } from "../src/client/address.ts";
import { attachChat, getChat, readChat } from "../src/client/chats.ts";
import { getSession } from "../src/client/sessions.ts";
import { leave, leaveView, waysOut } from "./attach.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { type Screen, screenFor } from "./screen.ts";
import { viewSession } from "./view/view-session.ts";
import { type WatchEnd, watchSession } from "./watch.ts";

export const AttachChatOptions = DaemonOptions.extend({
  json: z.boolean().default(false),
  /** commander's spelling of `--no-replay`. */
  replay: z.boolean(),
  plain: z.boolean().default(false),
});
type AttachChatOptions = z.infer<typeof AttachChatOptions>;

/** A session that answers a message is seen to its end; then one to talk in follows, which ends when the person has gone. */
export async function attachChatHere(
  name: string,
  options: AttachChatOptions,
  context: CommandContext,
): Promise<number> {
  const { env, terminal } = context;
  const again = () => locate(options, env);
  // A chat that is not there is said before the terminal changes.
  let attached = await attachChat(await again(), name);
  const screen = await screenFor(terminal, options);
  let last: { end: WatchEnd; sessionId: string };
  try {
    for (;;) {
      const { session_id: sessionId } = attached;
      const { interactive } = await getSession(await again(), sessionId);
      const about = `Chat "${name}", session ${sessionId}${interactive ? "" : ": it answers a message"}`;
      const seen = { name, sessionId, interactive, about, again };
      last = { sessionId, end: await (screen ? view(seen, screen, options, context) : watch(seen, options, context)) };
      if (last.end.type === "detached" || interactive) break;
      attached = await attachChat(await again(), name);
    }
  } finally {
    await screen?.close();
  }
  const watched = { sessionId: last.sessionId, locate: again, chat: name };
  return screen ? leaveView(last.end, watched, context) : leave(last.end, watched, context);
}

interface Seen {
  name: string;
  sessionId: string;
  interactive: boolean;
  about: string;
  again(): Promise<DaemonAddress>;
}

function watch(
  { sessionId, interactive, about, again }: Seen,
  options: AttachChatOptions,
  { terminal }: CommandContext,
): Promise<WatchEnd> {
  terminal.note(about);
  return watchSession({
    sessionId,
    locate: again,
    from: options.replay ? 0 : "end",
    isJson: options.json,
    input: interactive ? "lines" : "signals",
    atInputEnd: "drain",
    terminal,
  });
}

/** So much of what was said before is there to scroll back to; \`agentd chat history\` has all. */
const messagesMax = 500;

async function view(
  { name, sessionId, interactive, about, again }: Seen,
  screen: Screen,
  { replay }: AttachChatOptions,
  { terminal }: CommandContext,
): Promise<WatchEnd> {
  return viewSession({
    screen,
    sessionId,
    locate: again,
    from: replay ? 0 : "end",
    colour: terminal.colour,
    before: replay ? await saidBefore(await again(), name, sessionId) : [],
    notes: [about, waysOut(sessionId)],
    isLeftAtEnd: !interactive,
  });
}

/** What was said in the chat's sessions before this one, as lines of a log. */
async function saidBefore(address: DaemonAddress, name: string, sessionId: string): Promise<string[]> {
  const { messages } = await readChat(address, { name, limit: messagesMax });
  // A message that waits is in the history already, under the session that it will have.
  const { next_session } = await getChat(address, name);
  return messages.flatMap(({ session_id, type, data, timestamp }) =>
    session_id === sessionId || session_id === next_session
      ? []
      : [JSON.stringify({ type, data, timestamp: Date.parse(timestamp) })],
  );
}
