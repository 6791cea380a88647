/** `agentd attach`: joins a session, on the whole of a terminal or by lines, and leaves it as it is when the person goes. */
import * as z from "zod";
import type { DaemonAddress } from "../src/client/address.ts";
import { findChat } from "../src/client/chats.ts";
import { findSession } from "../src/client/find-session.ts";
import { ChatName } from "../src/protocol/chat.ts";
import { AgentdError } from "../src/protocol/error.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { screenFor } from "./screen.ts";
import { endExitCode, endText, howEnded } from "./session-end.ts";
import type { Terminal } from "./terminal.ts";
import { viewSession } from "./view/view-session.ts";
import { type Detached, type WatchEnd, watchSession } from "./watch.ts";

export const AttachOptions = DaemonOptions.extend({
  json: z.boolean().default(false),
  since: z.number().default(0),
  /** commander's spelling of `--no-replay`. */
  replay: z.boolean(),
  plain: z.boolean().default(false),
});
export type AttachOptions = z.infer<typeof AttachOptions>;

export async function attach(typedId: string, options: AttachOptions, context: CommandContext): Promise<number> {
  const findAgain = () => locate(options, context.env);
  const sessionId = await findSessionOrChat(await findAgain(), typedId);
  const { terminal } = context;
  const watched = { sessionId, locate: findAgain, from: options.replay ? options.since : ("end" as const) };
  const left = { sessionId, locate: findAgain, isJson: options.json };
  const screen = await screenFor(terminal, options);
  if (!screen) {
    const end = await watchSession({ ...watched, isJson: options.json, input: "lines", terminal });
    return leave(end, left, context);
  }
  const end = await viewSession({ ...watched, screen, colour: terminal.colour }).finally(screen.close);
  return leaveView(end, left, context);
}

/** A session; else the one that runs in the chat of that name. */
async function findSessionOrChat(address: DaemonAddress, typed: string): Promise<string> {
  try {
    return await findSession(address, typed);
  } catch (error) {
    const isNone = error instanceof AgentdError && error.code === "session_not_found";
    const chat = isNone && ChatName.safeParse(typed).success ? await findChat(address, typed) : undefined;
    if (!chat) throw error;
    if (chat.current_session !== undefined) return chat.current_session;
    throw new AgentdError(
      "chat_not_running",
      `Nothing runs in the chat "${typed}". Talk in it with "agentd chat attach ${typed}"`,
    );
  }
}

/** What the keys do to a session that this command began. */
export function waysOut(sessionId: string): string {
  return `Ctrl+C interrupts the turn, twice leaves; Ctrl+D leaves. Left, the session goes on: agentd attach ${sessionId.slice(0, 8)}`;
}

/** The session that was watched. */
interface Watched {
  sessionId: string;
  locate: () => Promise<DaemonAddress>;
  /** A program read it. */
  isJson?: boolean;
  /** The chat that it is of. */
  chat?: string;
}

/** The same as `leave`. Nothing of a view stays on the terminal, so the end is said again. */
export async function leaveView(end: WatchEnd, watched: Watched, { terminal }: CommandContext): Promise<number> {
  if (end.type === "detached") return tellOfReturn(end, watched, terminal);
  const how = await howEnded(end.exitCode, { ...watched, note: terminal.note });
  terminal.note(`${endText(watched.sessionId, how)}. Read it again with: agentd logs ${watched.sessionId}`);
  return endExitCode(how);
}

/** Says how to come back, or answers with the exit code of the session's end. */
export async function leave(end: WatchEnd, watched: Watched, { terminal }: CommandContext): Promise<number> {
  if (end.type === "detached") return tellOfReturn(end, watched, terminal);
  return endExitCode(await howEnded(end.exitCode, { ...watched, note: terminal.note }));
}

function tellOfReturn(end: Detached, watched: Watched, terminal: Terminal): number {
  terminal.note(`Left session ${watched.sessionId}; it goes on. Come back with: ${wayBack(end, watched)}`);
  return exitCode.ok;
}

/** A person wants to see the conversation again, a program only what it has not had. */
function wayBack({ offset }: Detached, { sessionId, isJson, chat }: Watched): string {
  if (chat !== undefined) return `agentd chat attach ${chat}`;
  return `agentd attach ${sessionId}${isJson ? ` --json --since ${offset}` : ""}`;
}
