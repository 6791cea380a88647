/** `agentd attach`: joins a session, and leaves it as it is when the person goes. */
import * as z from "zod";
import { findSession } from "../src/client/find-session.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { agentExitCode, exitCode } from "./exit-code.ts";
import { type WatchEnd, watchSession } from "./watch.ts";

export const AttachOptions = DaemonOptions.extend({
  json: z.boolean().default(false),
  since: z.number().default(0),
  /** commander's spelling of `--no-replay`. */
  replay: z.boolean(),
});
export type AttachOptions = z.infer<typeof AttachOptions>;

export async function attach(typedId: string, options: AttachOptions, context: CommandContext): Promise<number> {
  const findAgain = () => locate(options, context.env);
  const sessionId = await findSession(await findAgain(), typedId);
  const end = await watchSession({
    sessionId,
    locate: findAgain,
    from: options.replay ? options.since : "end",
    isJson: options.json,
    input: "lines",
    terminal: context.terminal,
  });
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
