/** Sessions made again from their records. */
import type { Config } from "../config.ts";
import { sessionHome } from "../session/home.ts";
import type { SessionRecord } from "../session/record.ts";
import { Session } from "../session/session.ts";
import { noTotals, totalsOf } from "../session/totals.ts";
import type { SessionWatch } from "../session/watch.ts";
import type { TornLogs } from "./torn-logs.ts";

/** Without its end and its totals. */
export function restoredSession(
  config: Config,
  record: SessionRecord,
  { watch, tornLogs }: { watch?: SessionWatch; tornLogs: TornLogs },
): Session {
  const session = new Session({
    spec: record.spec,
    home: sessionHome(config.dataDir, record.spec.session_id),
    ringBytesMax: config.limits.ring_bytes,
    fsync: config.fsync,
    watch,
    onPassedOver: tornLogs.onPassedOver,
  });
  session.agentSessionId = record.agent_session_id;
  session.model = record.model;
  session.wasMet = record.was_met ?? false;
  session.checkpoint = record.checkpoint;
  session.permissionMode = record.permission_mode ?? record.spec.permission_mode;
  return session;
}

/** One that has ended, with its log's length; undefined when the record does not say that it has. */
export async function endedSession(
  config: Config,
  record: SessionRecord,
  tornLogs: TornLogs,
): Promise<Session | undefined> {
  if (!record.ended) return undefined;
  const session = restoredSession(config, record, { tornLogs });
  const { status, reason, exit_code, at } = record.ended;
  await session.restoreEnded(
    { at: "ended", status, reason, exitCode: exit_code, endedAt: at },
    record.totals ? totalsOf(record.totals) : noTotals,
  );
  if (session.storedEnd) tornLogs.note({ id: session.id, path: session.home.log, reason, end: session.storedEnd });
  return session;
}
