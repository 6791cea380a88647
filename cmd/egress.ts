/** `agentd egress`: what sessions in containers asked for in vain, and what they may reach, read anew. */
import * as z from "zod";
import { listEgress, reloadEgress } from "../src/client/egress.ts";
import { findLoggedSession } from "../src/client/find-session.ts";
import type { EgressEntry, EgressSettingChange } from "../src/protocol/http.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";

export const EgressOptions = DaemonOptions.extend({ json: z.boolean().default(false) });

export async function egressLog(
  session: string | undefined,
  options: z.infer<typeof EgressOptions>,
  context: CommandContext,
): Promise<number> {
  const address = await locate(options, context.env);
  const id = session === undefined ? undefined : await findLoggedSession(address, session);
  const entries = await listEgress(address, id);
  context.terminal.out(
    entries.map((entry) => (options.json ? `${JSON.stringify(entry)}\n` : `${lineOf(entry)}\n`)).join(""),
  );
  return exitCode.ok;
}

export async function egressReload(
  options: z.infer<typeof EgressOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const found = await reloadEgress(await locate(options, env));
  if (options.json) {
    terminal.out(`${JSON.stringify(found, undefined, 2)}\n`);
    return exitCode.ok;
  }
  const rows: [what: string, values: readonly string[]][] = [
    ["mode", [found.mode]],
    ["allow", found.allow],
    ["permit", found.permit],
    ["host services", found.host_services],
    ["upstream proxy", found.upstream_proxy === null ? [] : [found.upstream_proxy]],
    ["certificates", found.ca_certificates],
    ["in force for", found.sessions],
    ["changed", found.changes.map(changeOf)],
    ["changed for", found.changed_sessions],
  ];
  terminal.out(rows.map(([what, values]) => `${what.padEnd(15)} ${values.join(" ") || "-"}\n`).join(""));
  return exitCode.ok;
}

/** Pure. */
function changeOf({ setting, added, removed }: EgressSettingChange): string {
  return `${setting}(${[...added.map((word) => `+${word}`), ...removed.map((word) => `-${word}`)].join(" ")})`;
}

/** Pure. */
function lineOf({ at, session_id, host, port, reason, verdict, sni, repeated }: EgressEntry): string {
  const facts = [
    new Date(at).toISOString(),
    session_id,
    verdict,
    `${plainLine(host, 260)}:${port}`,
    reason,
    ...(sni === undefined ? [] : [`hello for ${plainLine(sni, 260)}`]),
    ...(repeated === undefined ? [] : [`and ${repeated} more`]),
  ];
  return facts.join("  ");
}
