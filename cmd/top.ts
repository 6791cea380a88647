/** `agentd top`: all sessions on the whole terminal, live; and from there to one of them and back. */

import * as z from "zod";
import { messageOf } from "../src/protocol/error.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode, UsageError } from "./exit-code.ts";
import { openScreen } from "./screen.ts";
import { viewSession } from "./view/view-session.ts";
import { viewSessions } from "./view/view-sessions.ts";

export const TopOptions = DaemonOptions.extend({ agent: z.string().optional(), all: z.boolean().default(false) });

export async function top(options: z.infer<typeof TopOptions>, { env, terminal }: CommandContext): Promise<number> {
  if (!terminal.isScreen) throw new UsageError("agentd top needs a terminal: agentd ls prints the sessions once");
  const findAgain = () => locate(options, env);
  // A daemon that is not there is said before the terminal changes.
  await findAgain();
  const screen = await openScreen();
  const { colour } = terminal;
  try {
    let remembered: { isAll: boolean; selected?: string; note?: string } = { isAll: options.all };
    for (;;) {
      const left = await viewSessions({ screen, locate: findAgain, colour, agent: options.agent, ...remembered });
      if (left.attach === undefined) return exitCode.ok;
      remembered = { isAll: left.isAll, selected: left.attach };
      try {
        await viewSession({ screen, sessionId: left.attach, locate: findAgain, from: 0, colour });
      } catch (error) {
        remembered.note = messageOf(error);
      }
    }
  } finally {
    await screen.close();
  }
}
