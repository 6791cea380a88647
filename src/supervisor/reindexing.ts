/** Every row made anew from its session's folder: what counts in it is counted again from the whole log. */
import type { Config } from "../config.ts";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { isUnborn, listHomes, sessionHome } from "../session/home.ts";
import { openTurnsOf } from "../session/open-turns.ts";
import { readRecord, type SessionRecord } from "../session/record.ts";
import type { Store } from "../store/store.ts";
import type { Context } from "./context.ts";
import { endedEntry, rowOf } from "./entry.ts";
import { indexForeignLogs } from "./foreign-logs.ts";
import { rowOfLog } from "./log-row.ts";
import { endedSession } from "./restored.ts";
import { TornLogs } from "./torn-logs.ts";

export interface Reindexed {
  ended: number;
  removed: number;
  foreign: number;
  /** Folders that could not be read. */
  skipped: number;
}

export async function reindexSessions(
  config: Config,
  store: Store,
  note: (message: string) => void,
): Promise<Reindexed> {
  const folders = await listHomes(config.dataDir);
  const known = await store.sessions.standings();
  const removing = new Set(known.filter(({ standing }) => standing === "removing").map(({ id }) => id));
  // What a removal has begun with is finished by the next start.
  await store.sessions.drop(known.map(({ id }) => id).filter((id) => !removing.has(id)));
  const counts: Reindexed = { ended: 0, removed: 0, foreign: 0, skipped: 0 };
  const tornLogs = new TornLogs((_, message) => note(message));
  for (const id of folders) {
    if (removing.has(id)) continue;
    try {
      const made = await reindexOne({ config, store, tornLogs }, id);
      if (made !== undefined) counts[made] += 1;
    } catch (error) {
      counts.skipped += 1;
      note(`Cannot read session "${id}": ${messageOf(error)}. Its folder is left as it is`);
    }
  }
  await indexForeignLogs(config.dataDir, store.sessions);
  counts.foreign = (await store.sessions.standings("foreign")).length;
  return counts;
}

/** Undefined for a live one, or one that was never born: they are the next start's. */
async function reindexOne(
  { config, store, tornLogs }: Pick<Context, "config" | "store" | "tornLogs">,
  id: string,
): Promise<"ended" | "removed" | undefined> {
  const home = sessionHome(config.dataDir, id);
  let record: SessionRecord;
  try {
    record = await readRecord(home.record);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    if (await isUnborn(home)) return undefined;
    await store.sessions.put(await rowOfLog(id, home.log, "removed"));
    return "removed";
  }
  const session = await endedSession(config, record, tornLogs);
  if (!session) return undefined;
  const { totals } = await openTurnsOf(session);
  session.restoreTotals(totals);
  await store.sessions.put(rowOf(endedEntry(session)));
  return "ended";
}
