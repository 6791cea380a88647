/** `agentd logs`: a session's log, also of one that ended long ago; with `-f` for as long as it lives. */
import { Readable } from "node:stream";
import ndjson from "ndjson";
import * as z from "zod";
import type { DaemonAddress } from "../src/client/address.ts";
import { findLoggedSession, findSession, unlessMissing } from "../src/client/find-session.ts";
import { getSession, readLog } from "../src/client/sessions.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { Renderer } from "./render.ts";
import { brokenOff } from "./shown-end.ts";
import type { Terminal } from "./terminal.ts";
import { watchSession } from "./watch.ts";

export const LogsOptions = DaemonOptions.extend({
  follow: z.boolean().default(false),
  since: z.number().default(0),
  json: z.boolean().default(false),
});
export type LogsOptions = z.infer<typeof LogsOptions>;

export async function logs(typedId: string, options: LogsOptions, context: CommandContext): Promise<number> {
  const { env, terminal } = context;
  const address = await locate(options, env);
  if (options.follow) {
    const sessionId = await findSession(address, typedId);
    const findAgain = () => locate(options, env);
    await watchSession({
      sessionId,
      locate: findAgain,
      from: options.since,
      isJson: options.json,
      input: "none",
      terminal,
    });
    return exitCode.ok;
  }
  const sessionId = await findLoggedSession(address, typedId);
  const bytes = Readable.from(readLog(address, sessionId, options.since), { objectMode: false });
  if (options.json) {
    for await (const chunk of bytes) if (!process.stdout.write(chunk)) await drained();
    return exitCode.ok;
  }
  const renderer = new Renderer({ colour: terminal.colour, sessionId });
  let last: unknown;
  // Lines that are not JSON, of a foreign log, are passed over.
  for await (const value of bytes.pipe(ndjson.parse({ strict: false }))) {
    terminal.out(renderer.value(value));
    last = value;
  }
  terminal.out(renderer.flush());
  if (last !== undefined && !Exit.safeParse(last).success) await tellOfEnd(address, sessionId, terminal);
  return exitCode.ok;
}

const Exit = z.looseObject({ type: z.literal("exit") });

/** What was read has no end: it is still to come, or was torn off. A deleted session's or a foreign log says no more. */
async function tellOfEnd(address: DaemonAddress, sessionId: string, terminal: Terminal): Promise<void> {
  const view = await unlessMissing(getSession(address, sessionId));
  if (view?.status === "completed" || view?.status === "failed") terminal.note(brokenOff(view.exit_code));
}

function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.once("drain", resolve));
}
