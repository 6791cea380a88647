/**
 * The start of a daemon: live sessions are taken over, and the index is brought up to what the folders say. Of the
 * sessions that the index knows as ended nothing is read.
 */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { linkProtocol } from "../protocol/link-frame.ts";
import { type Runtime, SidecarAddress, type SidecarHandle } from "../runtime/runtime.ts";
import { isUnbegun, isUnborn, listHomes, removeHome, type SessionHome, sessionHome } from "../session/home.ts";
import { readRecord, type SessionRecord } from "../session/record.ts";
import type { Session } from "../session/session.ts";
import type { Standing, Store } from "../store/store.ts";
import { attended } from "./attended.ts";
import { mendCompression } from "./compression.ts";
import { type Context, runDirOf } from "./context.ts";
import { endedEntry, rowOf } from "./entry.ts";
import { rowOfLog } from "./log-row.ts";
import { resumeRemoval } from "./removal.ts";
import { endedSession, restoredSession } from "./restored.ts";
import { RuntimeFault, setAside } from "./set-aside.ts";

/** Folders that are read at once. */
const atOnce = 16;
/** How long the ends of sessions whose sidecars are gone may hold up the start. */
const endsMs = 5_000;
/** The same of what belongs to no session; its removal goes on behind that. */
const leftoversMs = 25_000;

export async function recover(context: Context): Promise<void> {
  const { config, store } = context;
  await mendCompression(context);
  const folders = new Set(await listHomes(config.dataDir));
  const known = new Map((await store.sessions.standings()).map(({ id, standing }) => [id, standing]));
  const gone = [...known].filter(([id, standing]) => standing !== "foreign" && !folders.has(id)).map(([id]) => id);
  await store.sessions.drop(gone);
  const unsettled = [...folders].filter((id) => !isSettled(known.get(id)));
  const rest = unsettled.values();
  const unfinished: string[] = [];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const id of rest) if (!(await recoverOne(context, id, known.get(id)))) unfinished.push(id);
    }),
  );
  await endsOfLost(context);
  // What could not be read may be alive: it is left alone.
  const live = context.registry.all().flatMap(({ session, attendance }) => (attendance ? [session.id] : []));
  const spared = new Set([...unfinished, ...live]);
  await sweepRunDir(context, spared);
  await sweepLeftovers(context, spared);
}

/** Sessions have been taken over by now: what of others cannot be removed must not keep the daemon from serving them. */
async function sweepLeftovers({ runtimes, log }: Context, spared: ReadonlySet<string>): Promise<void> {
  const sweep = async (runtime: Runtime) => {
    try {
      const { faults } = await runtime.sweepOthers(spared, { isDryRun: false, withStrangers: false });
      for (const { error, sessionId } of faults) log("error", messageOf(error), { session_id: sessionId });
    } catch (error) {
      const what = `Cannot remove what belongs to no session (runtime ${runtime.name}): ${messageOf(error)}`;
      log("error", `${what}. The next start tries it again, and so does "agentd gc"`);
    }
  };
  const swept = [...runtimes.values()].map(sweep);
  await Promise.race([Promise.all(swept), delay(leftoversMs, undefined, { ref: false })]);
}

/**
 * Most have ended when the daemon begins to serve, and nobody sees them live. A long spool takes its time; on a full disk
 * only somebody who is told of it can make room, and that needs a daemon that serves.
 */
async function endsOfLost({ registry }: Context): Promise<void> {
  const lost = registry.all().flatMap(({ attendance, sidecar }) => (attendance && !sidecar ? [attendance.over] : []));
  await Promise.race([Promise.all(lost), delay(endsMs, undefined, { ref: false })]);
}

function isSettled(standing: Standing | undefined): boolean {
  return standing === "ended" || standing === "removed";
}

/** False when it could not be told what the session is: its folder is left as it is. */
async function recoverOne(context: Context, id: string, standing: Standing | undefined): Promise<boolean> {
  try {
    await bringBack(context, id, standing);
    return true;
  } catch (error) {
    // One that is being removed has ended; the next start tries that again.
    if (standing === "removing")
      context.log("warn", `Cannot remove session "${id}": ${messageOf(error)}. The next start tries it again`, {
        session_id: id,
      });
    else await setAside(context, { id, error, bringBack: () => bringBack(context, id, standing) });
    return false;
  }
}

/** From what its folder says. Rejects, and leaves all as it is, when that cannot be understood. */
export async function bringBack(context: Context, id: string, standing: Standing | undefined): Promise<void> {
  if (standing === "removing") return await resumeRemoval(context, id);
  const record = await recordIn(context, id);
  if (!record) return await recoverLog(context, id);
  if (record.ended) return await indexEnded(context, record);
  await adopt(context, record);
}

async function recordIn({ config }: Context, id: string): Promise<SessionRecord | undefined> {
  try {
    return await readRecord(sessionHome(config.dataDir, id).record);
  } catch (error) {
    // A deleted session keeps its log and has no record.
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A folder without a record: a deleted session's, or one whose creation a crash cut short. */
async function recoverLog({ config, store }: Context, id: string): Promise<void> {
  const home = sessionHome(config.dataDir, id);
  if (await isUnborn(home)) return await removeUnborn(store, home, id);
  try {
    await store.sessions.put(await rowOfLog(id, home.log, "removed"));
  } catch (error) {
    // Somebody's folder, and no session's.
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** Nobody was told of it: its id is free again, and whoever asks for it anew gets it. */
async function removeUnborn(store: Store, home: SessionHome, id: string): Promise<void> {
  await removeHome(home);
  await store.sessions.drop([id]);
}

/** Sockets and temporary files of sessions that are over, or that a crash let not begin. */
async function sweepRunDir({ runDir }: Context, spared: ReadonlySet<string>): Promise<void> {
  const paths = new Set([...spared].map((id) => runDirOf(runDir, id)));
  for (const name of await readdir(runDir)) {
    const path = join(runDir, name);
    if (!paths.has(path)) await rm(path, { recursive: true, force: true });
  }
}

async function indexEnded({ config, store, tornLogs }: Context, record: SessionRecord): Promise<void> {
  const session = await endedSession(config, record, tornLogs);
  if (session) await store.sessions.put(rowOf(endedEntry(session)));
}

function holdLimits({ log }: Context, { id, spec }: Session, runtime: Runtime): void {
  if (spec.resources === undefined) return;
  try {
    runtime.holdLimits(id, spec.resources);
  } catch (error) {
    log("warn", `Cannot hold the limits of session "${id}" any more: ${messageOf(error)}`, { session_id: id });
  }
}

/** It is live: what it reaches besides must not cost it its life. */
async function openDoors({ hostDoors, log }: Context, { id, spec }: Session): Promise<void> {
  try {
    await hostDoors.open(spec);
  } catch (error) {
    log("error", `Cannot open the ways of session "${id}" to services of the host: ${messageOf(error)}`, {
      session_id: id,
    });
  }
}

/** Its sidecar has the line, or what it left on disk: nothing is lost by that, unless more was cut than we know. */
function tellOfCut({ log }: Context, { id, home, cutBytes }: Session): void {
  if (cutBytes === 0) return;
  const message = `The log of session "${id}" ended with half a line: its ${cutBytes} bytes were cut off "${home.log}"`;
  log("warn", `${message}. What the sidecar keeps of it is written again`, { session_id: id, torn_bytes: cutBytes });
}

/** It goes on, and keeps what happens; another version can take it over. */
function otherProtocol(found: number): string {
  return `its sidecar is another version's: it speaks link protocol ${found}, this daemon ${linkProtocol}. The session goes on without a daemon; start the version that began it, let the session end, then upgrade`;
}

/** A folder that was copied names the sidecar of the one that it was copied from, which is that one's daemon's. */
async function sidecarOf(
  runtime: Runtime,
  { sidecar }: SessionRecord,
  home: SessionHome,
): Promise<SidecarHandle | undefined> {
  const address = SidecarAddress.safeParse(sidecar);
  if (!address.success || !(await isSameFolder(address.data.session_dir, home.dir))) return undefined;
  return runtime.recover(address.data).catch(throwFault);
}

function throwFault(error: unknown): never {
  throw new RuntimeFault(error);
}

/** By whatever path it is reached. */
async function isSameFolder(path: string, other: string): Promise<boolean> {
  const [one, two] = await Promise.all([path, other].map((at) => stat(at).catch(() => undefined)));
  return one !== undefined && two !== undefined && one.dev === two.dev && one.ino === two.ino;
}

async function adopt(context: Context, record: SessionRecord): Promise<void> {
  const { config, registry, keepers } = context;
  const runtime = context.runtimes.get(record.spec.runtime);
  if (!runtime) throw new Error(`its runtime "${record.spec.runtime}" is not enabled`);
  const id = record.spec.session_id;
  const home = sessionHome(config.dataDir, id);
  const handle = await sidecarOf(runtime, record, home);
  if (handle && handle.address.protocol !== linkProtocol) throw new Error(otherProtocol(handle.address.protocol));
  if (!handle && (await isUnbegun(home))) {
    await runtime.sweep(id).catch(throwFault);
    return await removeUnborn(context.store, home, id);
  }
  const session = restoredSession(config, record, context);
  const { entry, attendance } = attended(context, session, runtime);
  try {
    await session.open(attendance);
    await attendance.restore();
    attendance.restoreIntent({ isClosing: record.is_closing ?? false, stopReason: record.stop_reason });
  } catch (error) {
    await attendance.release();
    throw error;
  }
  tellOfCut(context, session);
  registry.add(entry);
  context.unreadables.drop(id);
  context.egressLog.tell(session.id);
  if (handle) {
    holdLimits(context, session, runtime);
    entry.sidecar = handle.address;
    // It has had all of these, and goes on with them: none may hold up the start of the daemon.
    keepers.keepOn(session, handle.address.token);
    context.logins.serveOn(session.spec);
    await openDoors(context, session);
    attendance.attend(handle, { isAdopted: true });
    context.checkpoints.note(entry);
  } else {
    attendance.adoptDead();
  }
}
