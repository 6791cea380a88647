/** `agentd audit`: what was done, by whom. */
import * as z from "zod";
import { readAudit } from "../src/client/audit.ts";
import type { AuditEntry } from "../src/protocol/access.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";

export const AuditOptions = DaemonOptions.extend({
  follow: z.boolean().default(false),
  last: z.number().default(100),
  json: z.boolean().default(false),
});

const waitSeconds = 30;

/** Following ends with the daemon, or by Ctrl+C. */
export async function audit(options: z.infer<typeof AuditOptions>, { env, terminal }: CommandContext): Promise<number> {
  const address = await locate(options, env);
  const show = (entries: readonly AuditEntry[]) =>
    terminal.out(entries.map((entry) => `${options.json ? JSON.stringify(entry) : lineOf(entry)}\n`).join(""));
  const first = await readAudit(address, { limit: options.last });
  show(first);
  let after = first.at(-1)?.seq ?? 0;
  while (options.follow) {
    const next = await readAudit(address, { after, waitSeconds });
    show(next);
    after = next.at(-1)?.seq ?? after;
  }
  return exitCode.ok;
}

/** Pure. */
function lineOf({ at, caller, act, session_id, subject, from, by, error, repeated, lost_before }: AuditEntry): string {
  const facts = [
    at,
    caller,
    act,
    ...(session_id === undefined ? [] : [plainLine(session_id, 200)]),
    ...(subject === undefined ? [] : [`token ${plainLine(subject, 200)}`]),
    `from ${from} by ${by}`,
    ...(error === undefined ? [] : [`refused: ${error}`]),
    ...(repeated === undefined ? [] : [`${repeated} times more within a minute`]),
    ...(lost_before === undefined ? [] : [`${lost_before} entries before it are lost`]),
  ];
  return facts.join("  ");
}
