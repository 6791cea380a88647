/**
 * Folders that the index does not know, and in which only a private home is left: the policy took the session, the
 * conversation in the home was gone on with, and whoever did so is gone too, by a deletion or over a crash.
 */
import { rm } from "node:fs/promises";
import type { Collected } from "../protocol/http.ts";
import { listHomes, pathsBesidesAgentHome, sessionHome } from "../session/home.ts";
import type { Context } from "./context.ts";
import type { Unfinished } from "./unfinished.ts";

type Looked = Pick<Context, "config" | "registry" | "store">;

export async function collectLeftHomes(
  looked: Looked,
  { isDryRun, unfinished }: { isDryRun: boolean; unfinished: Unfinished },
): Promise<Collected["sessions"]> {
  const { config, store } = looked;
  const sessions: Collected["sessions"] = [];
  await unfinished.try({ act: "look for homes of which no session is left" }, async () => {
    const known = new Set((await store.sessions.standings()).map(({ id }) => id));
    for (const id of await listHomes(config.dataDir)) {
      if (known.has(id)) continue;
      await unfinished.try({ act: `remove what is left of session "${id}"`, sessionId: id }, async () => {
        if (!(await isLeft(looked, id))) return;
        // Again, with nothing waited for before the removal: whoever begins a session says so here before touching a folder.
        if (isClaimed(looked, id)) return;
        if (!isDryRun) await rm(sessionHome(config.dataDir, id).dir, { recursive: true, force: true });
        sessions.push({ session_id: id, name: null, log_bytes: 0, ended_at: null });
      });
    }
  });
  return sessions;
}

async function isLeft(looked: Looked, id: string): Promise<boolean> {
  if (isClaimed(looked, id)) return false;
  if ((await pathsBesidesAgentHome(sessionHome(looked.config.dataDir, id))).length > 0) return false;
  return !(await looked.store.sessions.isHomeUsed(id, id));
}

/** By a session that is here, or is about to be: the folder's own, or one that goes on in its home. */
function isClaimed({ registry }: Looked, id: string): boolean {
  return registry.has(id) || registry.isHomeUsed(id, id);
}
