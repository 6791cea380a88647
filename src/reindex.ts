/** Making the store anew, while no daemon serves the data dir. */
import { rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { openOwnStore, storePath } from "./claim-store.ts";
import type { Config } from "./config.ts";
import { lockDataDir } from "./data-dir.ts";
import { AgentdError, errnoOf } from "./protocol/error.ts";
import { storeFiles } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { type Reindexed, reindexSessions } from "./supervisor/reindexing.ts";
import { version } from "./version.ts";

/** `aside` is where a store that could not be used was put. */
export async function reindex(
  config: Config,
  note: (message: string) => void,
): Promise<Reindexed & { aside: string | undefined }> {
  process.umask(0o077);
  await assertDataDir(config.dataDir);
  const lock = await lockDataDir(config.dataDir, version);
  try {
    const { store, aside } = await openOrReplace(config.dataDir);
    try {
      return { ...(await reindexSessions(config, store, note)), aside };
    } finally {
      await store.close();
    }
  } finally {
    await lock.release();
  }
}

/** A mistyped path must not become a data dir with nothing in it. */
async function assertDataDir(dataDir: string): Promise<void> {
  const hasFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (await hasFolder(join(dataDir, "sessions"))) return;
  // The Go daemon's had no sessions, only logs.
  if (await hasFolder(join(dataDir, "logs"))) return;
  const found = (await hasFolder(dataDir)) ? `it holds no folder "sessions"` : "there is no such folder";
  throw new AgentdError(
    "internal",
    `Cannot index the data dir "${dataDir}": ${found}. Name the one that the daemon served with --data-dir`,
  );
}

/** Nothing is deleted: who made it may still want it. */
async function openOrReplace(dataDir: string): Promise<{ store: Store; aside: string | undefined }> {
  try {
    return { store: (await openOwnStore(dataDir, true)).store, aside: undefined };
  } catch (error) {
    // One that is locked, or a disk that is full, is no reason to do without what is in it.
    if (!(error instanceof AgentdError) || error.details["is_unusable"] !== true) throw error;
  }
  const path = storePath(dataDir);
  const aside = `${path}.aside-${new Date().toISOString().replaceAll(":", "-")}`;
  for (const file of storeFiles(path)) {
    await rename(file, file.replace(path, aside)).catch((error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
    });
  }
  return { store: (await openOwnStore(dataDir, true)).store, aside };
}
