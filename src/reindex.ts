/** Making the store anew, while no daemon serves the data dir. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { lockDataDir } from "./data-dir.ts";
import { AgentdError, errnoOf } from "./protocol/error.ts";
import { openSqliteStore, storeFiles } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { type Reindexed, reindexSessions } from "./supervisor/reindexing.ts";
import { version } from "./version.ts";

/** `aside` is where a store that could not be used was put. */
export async function reindex(
  config: Config,
  note: (message: string) => void,
): Promise<Reindexed & { aside: string | undefined }> {
  process.umask(0o077);
  const lock = await lockDataDir(config.dataDir, version);
  try {
    const path = join(config.dataDir, "state.db");
    const { store, aside } = await openOrReplace(path);
    try {
      return { ...(await reindexSessions(config, store, note)), aside };
    } finally {
      await store.close();
    }
  } finally {
    await lock.release();
  }
}

/** Nothing is deleted: who made it may still want it. */
async function openOrReplace(path: string): Promise<{ store: Store; aside: string | undefined }> {
  const options = { path, isSynced: true };
  try {
    return { store: await openSqliteStore(options), aside: undefined };
  } catch (error) {
    // One that is locked, or a disk that is full, is no reason to do without what is in it.
    if (!(error instanceof AgentdError) || error.details["is_unusable"] !== true) throw error;
  }
  const aside = `${path}.aside-${new Date().toISOString().replaceAll(":", "-")}`;
  for (const file of storeFiles(path)) {
    await rename(file, file.replace(path, aside)).catch((error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
    });
  }
  return { store: await openSqliteStore(options), aside };
}
