/** Compressing the logs that the operator's policy calls old: what is read of them stays the same, byte by byte. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentdError, errnoOf, isDiskFull, messageOf } from "../protocol/error.ts";
import type { Collected } from "../protocol/http.ts";
import { listHomes, sessionHome } from "../session/home.ts";
import { readLogEnd } from "../session/log-end.ts";
import { dropHalfPacked, isPlain, packLog } from "../session/packed-log.ts";
import { StoredFile } from "../session/stored-file.ts";
import type { SessionRow } from "../store/store.ts";
import type { Context } from "./context.ts";
import { isOver } from "./is-over.ts";
import type { Unfinished } from "./unfinished.ts";

const dayMs = 24 * 60 * 60 * 1000;
/** In one call; the next one goes on. */
const sessionsMax = 1000;

type Compressed = Collected["compressed"];

/** Without a policy nothing is found. One log after the other: nobody waits for it. */
export async function compressLogs(
  context: Context,
  { isDryRun, unfinished }: { isDryRun: boolean; unfinished: Unfinished },
): Promise<Compressed> {
  const done: Compressed = [];
  await unfinished.try({ act: "look for logs to compress" }, async () => {
    for await (const row of oldRows(context)) {
      if (done.length === sessionsMax || context.isClosing()) return;
      try {
        const found = await compressOne(context, row, { isDryRun });
        if (found) done.push(found);
      } catch (error) {
        unfinished.add(error, { act: `compress the log of session "${row.id}"`, sessionId: row.id });
        if (isDiskFull(error)) return;
      }
    }
  });
  return done;
}

async function* oldRows({ config, store }: Context): AsyncGenerator<SessionRow> {
  const days = config.retention.compress_days;
  if (days === undefined) return;
  const before = Date.now() - days * dayMs;
  let after: string | undefined;
  do {
    const rows = await store.sessions.endedBefore(before, after);
    yield* rows;
    after = rows.at(-1)?.id;
  } while (after !== undefined);
}

/** Undefined when there is nothing to do. Rejects when it could not be done: the log is as it was then. */
async function compressOne(
  context: Context,
  row: SessionRow,
  { isDryRun }: { isDryRun: boolean },
): Promise<Compressed[number] | undefined> {
  const { id, name, log_bytes } = row;
  const plain: string[] = [];
  for (const path of filesOf(context, id)) if (await isPlain(path)) plain.push(path);
  if (plain.length === 0 || !(await isOver(context, id)) || (await isTorn(context, row))) return undefined;
  const found = { session_id: id, name, log_bytes };
  if (isDryRun) return found;
  const assertGoesOn = () => {
    if (context.isClosing()) throw new AgentdError("shutting_down", "the daemon leaves");
  };
  const mark = markPath(context.config.dataDir);
  try {
    await writeFile(mark, id, { mode: 0o600 });
    let bytes = 0;
    for (const path of plain) bytes += await packLog(path, { assertGoesOn });
    return { ...found, stored_bytes: bytes };
  } catch (error) {
    if (isDiskFull(error) || !(context.isClosing() || errnoOf(error) === "ENOENT")) throw error;
    return undefined;
  } finally {
    // What it left half done it has taken away itself: the mark is for those who are killed.
    await rm(mark, { force: true });
  }
}

/** Somebody may still want to mend it. */
async function isTorn({ config, tornLogs }: Context, { id, end_reason }: SessionRow): Promise<boolean> {
  const path = sessionHome(config.dataDir, id).log;
  try {
    const end = await readLogEnd(new StoredFile(path));
    return tornLogs.note({ id, path, reason: end_reason ?? undefined, end });
  } catch {
    // Gone, or not as we write them: whoever packs or reads it finds out.
    return false;
  }
}

/** The start takes away what a crash left half done, whether there still is a policy or not. */
export async function mendCompression(context: Context): Promise<void> {
  const { config, log } = context;
  const mark = markPath(config.dataDir);
  try {
    const id = await readFile(mark, "utf8");
    const homes = await listHomes(config.dataDir);
    if (homes.includes(id)) for (const path of filesOf(context, id)) await dropHalfPacked(path);
    await rm(mark);
  } catch (error) {
    // Its logs can be read all the same: the plain file counts while it is there.
    if (errnoOf(error) !== "ENOENT") log("warn", `Cannot clean up behind a compression: ${messageOf(error)}`);
  }
}

/** Names the session whose files are being compressed; one at a time. */
function markPath(dataDir: string): string {
  return join(dataDir, "compressing");
}

function filesOf({ config }: Context, id: string): string[] {
  const home = sessionHome(config.dataDir, id);
  return [home.log, join(home.dir, "raw.ndjson")];
}
