/** `agentd gc`: what the daemon's policy lets go of and what outlived its session, removed or only listed. */
import * as z from "zod";
import { collect } from "../src/client/sessions.ts";
import type { Collected } from "../src/protocol/http.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";
import type { Terminal } from "./terminal.ts";

/** As long as a name may be. */
const nameCharsMax = 64;
const messageCharsMax = 2000;

export const GcOptions = DaemonOptions.extend({ dryRun: z.boolean().default(false), json: z.boolean().default(false) });

export async function gc(options: z.infer<typeof GcOptions>, { env, terminal }: CommandContext): Promise<number> {
  const collected = await collect(await locate(options, env), { dryRun: options.dryRun });
  if (options.json) terminal.out(`${JSON.stringify(collected, undefined, 2)}\n`);
  else {
    tellLeftovers(collected, terminal);
    tellSessions(collected, terminal);
    for (const { message } of collected.failed) terminal.note(plainLine(message, messageCharsMax));
  }
  return collected.failed.length === 0 ? exitCode.ok : exitCode.failure;
}

function tellLeftovers({ leftovers, dry_run }: Collected, terminal: Terminal): void {
  const tell = (some: Collected["leftovers"], note: string) => {
    for (const leftover of some) terminal.out(`${leftoverText(leftover)}\n`);
    if (some.length > 0) terminal.note(note);
  };
  tell(
    leftovers.filter(({ kept, failed }) => !kept && !failed),
    dry_run ? "Would remove these" : "Removed these",
  );
  tell(
    leftovers.filter(({ failed }) => failed),
    "Could not remove these: why is said below",
  );
  const kept = leftovers.filter((leftover) => leftover.kept);
  for (const leftover of kept) terminal.out(`${leftoverText(leftover)}\n`);
  if (kept.some(({ data_dir }) => data_dir !== undefined))
    terminal.note(
      'Kept these, since an agent of that data dir still runs. End it with "docker rm -f NAME", then run gc again',
    );
  if (kept.some(({ data_dir }) => data_dir === undefined))
    terminal.note(
      'Kept volumes whose contents did not come back to this machine: the daemon\'s diagnostics say why. Mend that and run gc again, or give them up with "docker volume rm NAME"',
    );
}

function tellSessions(collected: Collected, terminal: Terminal): void {
  const { sessions, compressed, keep_sessions, keep_days, compress_days, dry_run } = collected;
  if (keep_sessions === null && keep_days === null && compress_days === null) {
    terminal.note(
      "No session is removed or compressed without a policy: start the daemon with --keep-sessions, --keep-days or --compress-days",
    );
    return;
  }
  for (const { session_id, name, ended_at, log_bytes } of sessions)
    terminal.out(`${session_id}  ${shown(name)}  ${ended_at ?? "-"}  ${log_bytes} bytes of log\n`);
  for (const { session_id, name, log_bytes, stored_bytes } of compressed)
    terminal.out(
      `${session_id}  ${shown(name)}  ${log_bytes} bytes of log${stored_bytes === undefined ? "" : ` in ${stored_bytes}`}\n`,
    );
  if (keep_sessions !== null || keep_days !== null)
    terminal.note(`${dry_run ? "Would remove" : "Removed"} ${counted(sessions.length, "session")}`);
  if (compress_days !== null)
    terminal.note(`${dry_run ? "Would compress" : "Compressed"} ${counted(compressed.length, "log")}`);
}

function leftoverText({ kind, name, session_id, data_dir }: Collected["leftovers"][number]): string {
  const whose = session_id === null ? "" : `, of session ${session_id}`;
  return `${kind} ${name}${whose}${data_dir === undefined ? "" : `, of the data dir ${plainLine(data_dir, 500)}, which is gone`}`;
}

function shown(name: string | null): string {
  return plainLine(name ?? "-", nameCharsMax);
}

function counted(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}
