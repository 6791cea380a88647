/** `agentd serve`: settings → daemon → wait for a signal → close. */

import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";
import { type Config, loadConfig } from "../src/config.ts";
import { startDaemon } from "../src/daemon.ts";
import { version } from "../src/version.ts";
import type { CommandContext } from "./client-options.ts";
import { endProcess } from "./end-process.ts";
import { exitCode } from "./exit-code.ts";
import type { Terminal } from "./terminal.ts";

export const ServeOptions = z.object({
  host: z.string().optional(),
  port: z.number().optional(),
  listen: z.string().optional(),
  runtime: z.string().optional(),
  dockerHost: z.string().optional(),
  dataDir: z.string().optional(),
  config: z.string().optional(),
  maxSessions: z.number().optional(),
  /** commander says `true` when nothing was said; only `--no-auth` is a setting. */
  auth: z.boolean().transform((isAsked) => (isAsked ? undefined : false)),
  ringBytes: z.number().optional(),
  clientStall: z.string().optional(),
  localSandbox: z.boolean().optional(),
  redact: z.array(z.string()).optional(),
  fsync: z.string().optional(),
  logLevel: z.string().optional(),
  onShutdown: z.string().optional(),
  keepSessions: z.number().optional(),
  keepDays: z.number().optional(),
  compressDays: z.number().optional(),
  leaveWhenIdle: z.boolean().optional(),
});
export type ServeOptions = z.infer<typeof ServeOptions>;

/** Resolves with the exit code after the daemon has closed. Throws when it cannot start. */
export async function serve(options: ServeOptions, context: CommandContext): Promise<number> {
  const { terminal } = context;
  const read = () => loadConfig({ flags: options, environment: context.env });
  const config = read();
  terminal.outlive();
  // From here on a signal is a wish, also while the daemon is still starting.
  const asked = firstSignal();
  const starting = startDaemon(config, read);
  void endIfStuck(asked, starting, terminal);
  const daemon = await starting;
  terminal.note(`agentd ${version} listening on ${daemon.url} (data dir ${config.dataDir}, runtime ${config.runtime})`);
  if (terminal.isScreen)
    terminal.note("It serves until it is told to end (Ctrl+C, SIGTERM). Other commands: agentd --help");
  if (!config.auth) terminal.note(withoutAuth(config));
  const reason = await (config.leaveWhenIdle ? Promise.race([asked, daemon.idle.then(() => "idle")]) : asked);
  daemon.note(reason === "idle" ? "Closing: the last session and the last client are gone" : `Closing: ${reason}`);
  const impatient = () => {
    daemon.note("Leaving at once: asked a second time");
    endProcess(exitCode.failure);
  };
  for (const signal of stopSignals) process.once(signal, impatient);
  await daemon.close(reason);
  return exitCode.ok;
}

function withoutAuth({ listen: { socket } }: Config): string {
  return socket === undefined
    ? "Without authentication: whoever may log in to this machine can run commands by it"
    : "Without authentication: whatever this user runs, agents too, can run commands by that socket";
}

/** How long a start may go on once its end is wished for. */
const startGraceMs = 5000;

/** A start that hangs, such as in a data dir of a dead network, ends as the signal would have ended it. */
async function endIfStuck(
  asked: Promise<NodeJS.Signals>,
  starting: Promise<unknown>,
  terminal: Terminal,
): Promise<void> {
  const settled = starting.then(
    () => "settled" as const,
    () => "settled" as const,
  );
  const signal = await Promise.race([asked, settled]);
  if (signal === "settled") return;
  const next = await Promise.race([settled, delay(startGraceMs, "late" as const, { ref: false })]);
  if (next === "settled") return;
  terminal.note(`Leaving in the midst of the start: ${signal}`);
  // Not by exit, which waits for what hangs. The handler is gone since it was heard, so this ends the process.
  process.kill(process.pid, signal);
}

const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const heard = (signal: NodeJS.Signals) => {
      resolve(signal);
      // Not within the signal: proper-lockfile, which renews logins, ends the process when it finds itself the only listener.
      setImmediate(() => {
        for (const other of stopSignals) process.off(other, heard);
      });
    };
    for (const signal of stopSignals) process.on(signal, heard);
  });
}
