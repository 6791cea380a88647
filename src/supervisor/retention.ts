/**
 * What the operator's policy lets go of: whole sessions that have ended are removed, never a part of a log; old logs are
 * compressed. And what is left of sessions in their runtimes.
 */
import { rm } from "node:fs/promises";
import { defined } from "../protocol/defined.ts";
import { messageOf } from "../protocol/error.ts";
import type { Collected } from "../protocol/http.ts";
import type { Leftover } from "../runtime/runtime.ts";
import { pathsBesidesAgentHome, type SessionHome, sessionHome } from "../session/home.ts";
import type { SessionRow } from "../store/store.ts";
import { compressLogs } from "./compression.ts";
import type { Context } from "./context.ts";
import { isOver } from "./is-over.ts";
import { collectLeftHomes } from "./left-homes.ts";
import { Unfinished } from "./unfinished.ts";

/** How often it is looked for. */
const everyMs = 60 * 60 * 1000;
const dayMs = 24 * 60 * 60 * 1000;

/** Without a policy nothing is found. What cannot be done keeps nothing else from being done and told. */
export async function collect(context: Context, { isDryRun }: { isDryRun: boolean }): Promise<Collected> {
  const { keep_sessions = null, keep_days = null, compress_days = null } = context.config.retention;
  const asked = { isDryRun, unfinished: new Unfinished() };
  const sessions = await collectOld(context, asked);
  if (keep_sessions !== null || keep_days !== null) sessions.push(...(await collectLeftHomes(context, asked)));
  const gone = new Set(sessions.map(({ session_id }) => session_id));
  const compressed = (await compressLogs(context, asked)).filter(({ session_id }) => !gone.has(session_id));
  const leftovers = await sweepLeftovers(context, asked);
  const failed = asked.unfinished.told;
  // Who only looks is told, and nothing has happened.
  if (!isDryRun) for (const { session_id, message } of failed) context.log("error", message, { session_id });
  return { dry_run: isDryRun, keep_sessions, keep_days, compress_days, sessions, compressed, leftovers, failed };
}

interface Asked {
  isDryRun: boolean;
  unfinished: Unfinished;
}

/** Rejects when the store does not say what there is: nothing is removed then. */
async function collectOld(context: Context, { isDryRun, unfinished }: Asked): Promise<Collected["sessions"]> {
  const { keep_sessions, keep_days } = context.config.retention;
  const rows = await context.store.sessions.beyond({
    count: keep_sessions,
    endedBefore: keep_days === undefined ? undefined : Date.now() - keep_days * dayMs,
  });
  const sessions: Collected["sessions"] = [];
  // What a chat goes on from stays as long as the chat.
  const resumable = new Set(rows.length === 0 ? [] : await context.store.chats.resumable());
  for (const row of rows) {
    if (resumable.has(row.id)) continue;
    await unfinished.try({ act: `remove session "${row.id}"`, sessionId: row.id }, async () => {
      if (!(await isOver(context, row.id))) return;
      if (!isDryRun) await removeFolder(context, row);
      sessions.push({
        session_id: row.id,
        name: row.name,
        log_bytes: row.log_bytes,
        ended_at: row.ended_at === null ? null : new Date(row.ended_at).toISOString(),
      });
    });
  }
  return sessions;
}

/** What no policy is needed for: nobody can use it any more. */
async function sweepLeftovers(
  { registry, unreadables, runtimes }: Context,
  { isDryRun, unfinished }: Asked,
): Promise<Collected["leftovers"]> {
  const live = registry.all().flatMap(({ session, attendance }) => (attendance ? [session.id] : []));
  // What could not be read may be alive.
  const spared = new Set([...live, ...unreadables.ids()]);
  const leftovers: Leftover[] = [];
  for (const runtime of runtimes.values()) {
    const act = `remove what belongs to no session (runtime ${runtime.name})`;
    await unfinished.try({ act }, async () => {
      const swept = await runtime.sweepOthers(spared, { isDryRun, withStrangers: true });
      leftovers.push(...swept.leftovers);
      for (const { error, sessionId } of swept.faults) unfinished.add(error, { act, sessionId });
    });
  }
  return leftovers.map(({ kind, name, sessionId = null, dataDir, isKept, hasFailed }) => ({
    kind,
    name,
    session_id: sessionId,
    ...defined({ data_dir: dataDir, kept: isKept ? yes : undefined, failed: hasFailed ? yes : undefined }),
  }));
}

const yes = true as const;

/** The record goes first: from then on a start that finds the folder knows it for a deleted session's. */
async function removeFolder(context: Context, { id, home_of }: SessionRow): Promise<void> {
  const { config, store } = context;
  const home = sessionHome(config.dataDir, id);
  await store.sessions.setStanding(id, "removed");
  await rm(home.record, { force: true });
  await removeBut(context, home, id);
  await store.sessions.drop([id]);
  // The folder of the first session of a conversation may have waited for the last one.
  if (home_of !== null && home_of !== id && (await store.sessions.byId(home_of)) === undefined)
    await removeBut(context, sessionHome(config.dataDir, home_of), home_of);
}

/** The private home stays while a conversation in it can be resumed. */
async function removeBut({ store, registry }: Context, home: SessionHome, id: string): Promise<void> {
  // The registry last: a session may have begun while the store was asked.
  const isHomeUsed = (await store.sessions.isHomeUsed(id, id)) || registry.isHomeUsed(id, id);
  if (!isHomeUsed) return rm(home.dir, { recursive: true, force: true });
  for (const path of await pathsBesidesAgentHome(home)) await rm(path, { recursive: true, force: true });
}

/** Now and each hour, when there is a policy. The answer ends it. */
export function collectRegularly(context: Context, act: () => Promise<Collected>): () => void {
  const { keep_sessions, keep_days, compress_days } = context.config.retention;
  if (keep_sessions === undefined && keep_days === undefined && compress_days === undefined) return () => undefined;
  const once = () => {
    act().then(
      ({ sessions, compressed, leftovers }) => {
        const gone = leftovers.filter(({ kept, failed }) => !kept && !failed);
        if (gone.length > 0) context.log("info", "what outlived its session was removed", { leftovers: gone });
        const session_ids = sessions.map(({ session_id }) => session_id);
        if (sessions.length > 0) context.log("info", "sessions were removed by policy", { session_ids });
        if (compressed.length > 0)
          context.log("info", "logs were compressed by policy", {
            session_ids: compressed.map((one) => one.session_id),
          });
      },
      (error: unknown) => context.log("error", `Cannot remove what the policy lets go of: ${messageOf(error)}`),
    );
  };
  once();
  const timer = setInterval(once, everyMs).unref();
  return () => clearInterval(timer);
}
