/** `agentd gc`: what the daemon's policy lets go of, removed or only listed. */
import * as z from "zod";
import { collect } from "../src/client/sessions.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";

export const GcOptions = DaemonOptions.extend({ dryRun: z.boolean().default(false), json: z.boolean().default(false) });

export async function gc(options: z.infer<typeof GcOptions>, { env, terminal }: CommandContext): Promise<number> {
  const collected = await collect(await locate(options, env), { dryRun: options.dryRun });
  const { sessions, keep_sessions, keep_days } = collected;
  if (options.json) {
    terminal.out(`${JSON.stringify(collected, undefined, 2)}\n`);
    return exitCode.ok;
  }
  if (keep_sessions === null && keep_days === null) {
    terminal.note("Nothing is removed without a policy: start the daemon with --keep-sessions or --keep-days");
    return exitCode.ok;
  }
  for (const { session_id, ended_at, log_bytes } of sessions)
    terminal.out(`${session_id}  ${ended_at ?? "-"}  ${log_bytes} bytes of log\n`);
  const count = sessions.length === 1 ? "1 session" : `${sessions.length} sessions`;
  terminal.note(options.dryRun ? `Would remove ${count}` : `Removed ${count}`);
  return exitCode.ok;
}
