/** `agentd egress log`: what sessions in containers asked for in vain. */
import * as z from "zod";
import { listEgress } from "../src/client/egress.ts";
import { findLoggedSession } from "../src/client/find-session.ts";
import type { EgressEntry } from "../src/protocol/http.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";

export const EgressLogOptions = DaemonOptions.extend({ json: z.boolean().default(false) });

export async function egressLog(
  session: string | undefined,
  options: z.infer<typeof EgressLogOptions>,
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
