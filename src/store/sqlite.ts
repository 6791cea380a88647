/** The store in one SQLite file of the data dir. */
import { chmodSync, existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { Kysely, SqliteDialect } from "kysely";
import { AgentdError, errnoOf, messageOf } from "../protocol/error.ts";
import { openSqlStore } from "./sql-store.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

export interface SqliteStoreOptions {
  path: string;
  /** Whether answers must survive a loss of power, not only the death of the daemon. */
  isSynced: boolean;
}

/** How long a query may wait for another program that holds the file; the daemon waits with it. */
const busyMs = 1000;

/** Opens it, or makes it. Rejects with `store_failed`, which says what to do, and leaves a file it cannot use as it is. */
export async function openSqliteStore({ path, isSynced }: SqliteStoreOptions): Promise<Store> {
  let db: Kysely<Tables> | undefined;
  try {
    // Native, so it is not in the bundle; loaded here, so that commands that need no store run without it.
    const { default: Database } = await import("libsql");
    const database = new Database(path);
    db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
    database.pragma(`busy_timeout = ${busyMs}`);
    database.pragma("journal_mode = WAL");
    // A commit does not wait for the disk, which would hold up the whole daemon: what must be there is waited for in `settle`.
    database.pragma("synchronous = NORMAL");
    const settle = isSynced ? () => syncFile(`${path}-wal`) : async () => {};
    const store = await openSqlStore({ db, place: `"${path}"`, settle });
    for (const file of storeFiles(path)) if (existsSync(file)) chmodSync(file, 0o600);
    return store;
  } catch (error) {
    await db?.destroy();
    throw error instanceof AgentdError ? error : openFault(path, error);
  }
}

/** The file, and those that SQLite keeps beside it. */
export function storeFiles(path: string): string[] {
  return [path, `${path}-wal`, `${path}-shm`];
}

/** Commits stand in this file until they are moved into the main one, and are read from it after a crash. */
async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** In the words of a start that fails, with what to do. */
export function openFault(path: string, error: unknown): AgentdError {
  const code = errnoOf(error) ?? "";
  const message = messageOf(error);
  return new AgentdError("store_failed", `Cannot open the store "${path}": ${whatToDo(code, message)}`, {
    cause: error,
    details: isDamaged(code) ? { is_unusable: true } : {},
  });
}

function whatToDo(code: string, message: string): string {
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND")
    return `the package "libsql", or its part for this machine, is not installed (${message}). Install agentruntime again with npm`;
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED"))
    return `another program holds it (${message}). End that program, then start again`;
  if (code.startsWith("SQLITE_FULL") || code === "ENOSPC") return "the disk is full. Make room, then start again";
  if (isDamaged(code))
    return `it is damaged (${message}). Run "agentd reindex": it puts the file aside and makes a new one from the sessions' folders. Nothing of a session is lost; idempotency keys, named tokens and chats are forgotten`;
  return `${message}. See that it is a file that this user can read and write`;
}

function isDamaged(code: string): boolean {
  return code.startsWith("SQLITE_NOTADB") || code.startsWith("SQLITE_CORRUPT");
}
