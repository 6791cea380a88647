/** The end of a session that could not be read: its processes go, and nothing of its folder does. */
import { rm } from "node:fs/promises";
import { AgentdError, messageOf } from "../protocol/error.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { sessionHome } from "../session/home.ts";
import type { SessionRow } from "../store/store.ts";
import { type Context, runDirOf } from "./context.ts";
import { rowOfLog, unknownRow } from "./log-row.ts";
import { bringBack } from "./recovery.ts";
import { removeSession } from "./removal.ts";
import type { Unreadable } from "./unreadables.ts";

/**
 * Rejects, with the session listed as before, when a runtime in which it may live cannot be asked. Resolves with false when it
 * could be taken over meanwhile: it is one as any other.
 */
export function endUnreadable(context: Context, { row }: Unreadable): Promise<boolean> {
  const { id } = row;
  return context.unreadables.end(id, async () => {
    const { dir } = sessionHome(context.config.dataDir, id);
    for (const runtime of runtimesOf(context, row)) await runtime.sweepUnread(id, dir);
    await rm(runDirOf(context.runDir, id), { recursive: true, force: true });
    if (!(await isEndedAsAnyOther(context, id))) await takeOffTheList(context, id);
  });
}

/** Where it may live: only the record says for sure. */
function runtimesOf({ runtimes }: Context, { id, runtime }: SessionRow): Runtime[] {
  if (runtime === null) return [...runtimes.values()];
  const found = runtimes.get(runtime);
  if (found) return [found];
  throw new AgentdError(
    "runtime_unavailable",
    `Cannot end session "${id}": it is in the runtime "${runtime}", which is not enabled. Start the daemon with it, then try again`,
  );
}

/** Its record may have been mended since, and a sidecar of another version is none that is in the way any more. */
async function isEndedAsAnyOther(context: Context, id: string): Promise<boolean> {
  const { registry, archive, log } = context;
  try {
    await bringBack(context, id, "live");
  } catch (error) {
    log("warn", `The processes of session "${id}" were ended: ${messageOf(error)}. Its folder is left as it is`, {
      session_id: id,
    });
    return false;
  }
  const entry = registry.find(id) ?? (await archive.find(id));
  if (entry) await removeSession(context, entry);
  return true;
}

/** As one that was deleted: its log can be read, and the next start does not look at it. */
async function takeOffTheList({ config, store }: Context, id: string): Promise<void> {
  const { log } = sessionHome(config.dataDir, id);
  const row = await rowOfLog(id, log, "removed").catch(() => unknownRow(id));
  await store.sessions.put({ ...row, standing: "removed" });
}
