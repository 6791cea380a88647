/** Taking a session off the list. Its log stays, with what its events name. */
import { rm } from "node:fs/promises";
import { errnoOf } from "../protocol/error.ts";
import type { SessionSpec } from "../protocol/session.ts";
import { sessionHome } from "../session/home.ts";
import { readRecord } from "../session/record.ts";
import type { Context } from "./context.ts";
import type { Entry } from "./entry.ts";

type RemovalContext = Pick<Context, "config" | "registry" | "store">;

/** Ends the session if it is live. */
export async function removeSession(context: RemovalContext & Pick<Context, "books">, entry: Entry): Promise<void> {
  entry.attendance?.stop("now", "deleted");
  await entry.attendance?.over;
  const { session } = entry;
  // A write that is under way would bring it back: none is, and none begins before it is gone.
  await context.books.inTurn(entry, async () => {
    // From here on it is gone for all who ask; should the daemon die in the midst, the next start goes on.
    await context.store.sessions.setStanding(session.id, "removing");
    context.registry.drop(session.id);
    await finishRemoval(context, session.spec);
  });
}

/** For a daemon that died in the midst of a removal. */
export async function resumeRemoval(context: Context, id: string): Promise<void> {
  try {
    await finishRemoval(context, (await readRecord(sessionHome(context.config.dataDir, id).record)).spec);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    // The record goes last: all else is done.
    await context.store.sessions.setStanding(id, "removed");
  }
}

async function finishRemoval({ config, registry, store }: RemovalContext, spec: SessionSpec): Promise<void> {
  const { session_id: id, home_of } = spec;
  const home = sessionHome(config.dataDir, id);
  // The registry last: a session may have begun while the store was asked.
  const isHomeUsed = (await store.sessions.isHomeUsed(home_of, id)) || registry.isHomeUsed(home_of, id);
  if (!isHomeUsed) await rm(sessionHome(config.dataDir, home_of).agentHome, { recursive: true, force: true });
  if (spec.work_dir_is_scratch) await rm(home.scratch, { recursive: true, force: true });
  await rm(home.record, { force: true });
  await store.sessions.setStanding(id, "removed");
}
