/** Store and data dir know each other by an id in both: what another one's store says of sessions is not believed. */
import { join } from "node:path";
import { ensureDataDirId } from "./data-dir.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";

/** `foreign` is one that another data dir had. */
export type Claimed = "own" | "new" | "foreign";

export function storePath(dataDir: string): string {
  return join(dataDir, "state.db");
}

/** Opens the store of the data dir; one that is not its own is emptied, and so filled anew from the folders. */
export async function openOwnStore(dataDir: string, isSynced: boolean): Promise<{ store: Store; claimed: Claimed }> {
  const store = await openSqliteStore({ path: storePath(dataDir), isSynced });
  try {
    return { store, claimed: await claimStore(store, dataDir) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function claimStore(store: Store, dataDir: string): Promise<Claimed> {
  const { id, isNew } = await ensureDataDirId(dataDir);
  const owner = await store.owner();
  if (owner === id) return "own";
  // Neither has one: they are of a version that had none, and nothing says that they are not each other's.
  await store.claim(id, { keepsOwned: owner === undefined && isNew });
  return owner === undefined ? "new" : "foreign";
}
