/** `agentd serve`: settings → daemon → wait for a signal → close. */

import * as z from "zod";
import { loadConfig } from "../src/config.ts";
import { startDaemon } from "../src/daemon.ts";
import { version } from "../src/version.ts";
import type { CommandContext } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";

export const ServeOptions = z.object({
  host: z.string().optional(),
  port: z.number().optional(),
  runtime: z.string().optional(),
  dataDir: z.string().optional(),
  config: z.string().optional(),
  maxSessions: z.number().optional(),
  /** commander says `true` when nothing was said; only `--no-auth` is a setting. */
  auth: z.boolean().transform((isAsked) => (isAsked ? undefined : false)),
  ringBytes: z.number().optional(),
  clientStall: z.string().optional(),
  fsync: z.string().optional(),
  logLevel: z.string().optional(),
  leaveWhenIdle: z.boolean().optional(),
});
export type ServeOptions = z.infer<typeof ServeOptions>;

/** Resolves with the exit code after the daemon has closed. Throws when it cannot start. */
export async function serve(options: ServeOptions, context: CommandContext): Promise<number> {
  const { terminal } = context;
  const config = loadConfig({ flags: options, environment: context.env });
  // From here on a signal is a wish, also while the daemon is still starting.
  const asked = firstSignal();
  const daemon = await startDaemon(config);
  terminal.note(`agentd ${version} listening on ${daemon.url} (data dir ${config.dataDir}, runtime ${config.runtime})`);
  const reason = await (config.leaveWhenIdle ? Promise.race([asked, daemon.idle.then(() => "idle")]) : asked);
  terminal.note(reason === "idle" ? "Closing: the last session and the last client are gone" : `Closing: ${reason}`);
  const impatient = () => {
    terminal.note("Leaving at once: asked a second time");
    process.exit(exitCode.failure);
  };
  for (const signal of stopSignals) process.once(signal, impatient);
  await daemon.close(reason);
  return exitCode.ok;
}

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function firstSignal(): Promise<string> {
  return new Promise((resolve) => {
    const heard = (signal: string) => {
      for (const other of stopSignals) process.off(other, heard);
      resolve(signal);
    };
    for (const signal of stopSignals) process.on(signal, heard);
  });
}
