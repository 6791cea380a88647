/** `agentd attach`: joins a session, on the whole of a terminal or by lines, and leaves it as it is when the person goes. */
import * as z from "zod";
import type { DaemonAddress } from "../src/client/address.ts";
import { findChat } from "../src/client/chats.ts";
import { findSession } from "../src/client/find-session.ts";
import { ChatName } from "../src/protocol/chat.ts";
import { AgentdError } from "../src/protocol/error.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { agentExitCode, exitCode } from "./exit-code.ts";
import { screenFor } from "./screen.ts";
import { viewSession } from "./view/view-session.ts";
import { type WatchEnd, watchSession } from "./watch.ts";

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
  const screen = await screenFor(terminal, options);
  if (!screen) {
    const end = await watchSession({ ...watched, isJson: options.json, input: "lines", terminal });
    return leave(end, sessionId, context);
  }
  const end = await viewSession({ ...watched, screen, colour: terminal.colour }).finally(screen.close);
  return leaveView(end, sessionId, context);
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

/** The same as `leave`. Nothing of a view stays on the terminal, so the end is said again. */
export function leaveView(end: WatchEnd, sessionId: string, context: CommandContext): number {
  if (end.type === "exit")
    context.terminal.note(
      `Session ${sessionId} has ended with code ${end.exitCode}. Read it again with: agentd logs ${sessionId}`,
    );
  return leave(end, sessionId, context);
}

/** Says how to come back, or passes the agent's exit code on. */
export function leave(end: WatchEnd, sessionId: string, context: CommandContext): number {
  if (end.type === "exit") return agentExitCode(end.exitCode);
  context.terminal.note(
    `Left session ${sessionId}; it goes on. Come back with: agentd attach ${sessionId} --since ${end.offset}`,
  );
  return exitCode.ok;
}
