/** Whether a daemon could work with a store as it lies there. Told by a copy: nothing of the store itself is changed. */
import { copyFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import * as z from "zod";
import { AgentdError, errnoOf } from "../protocol/error.ts";
import { openFault, openSqliteStore, storeFiles } from "./sqlite.ts";

/** More is not copied only to be looked at. */
const bytesMax = 512 * 1024 * 1024;

/** `unknown`: it was not looked at, for this reason. */
export type StoreState = { kind: "none" | "sound" } | { kind: "faulty" | "unknown"; why: string };

export async function storeState(path: string): Promise<StoreState> {
  const before = await Promise.all(storeFiles(path).map(standOf));
  const sizes = before.map((stand) => stand?.size);
  if (sizes[0] === undefined) return { kind: "none" };
  if (sizes.reduce((sum: number, size) => sum + (size ?? 0), 0) > bytesMax)
    return { kind: "unknown", why: `it has more than ${bytesMax / 1024 / 1024} MiB` };
  const folder = await mkdtemp(join(tmpdir(), "agentd-store-"));
  try {
    const copy = join(folder, basename(path));
    // Not the third: SQLite makes it of the second.
    for (const [at, file] of storeFiles(path).slice(0, 2).entries())
      if (sizes[at] !== undefined) await copyFile(file, storeFiles(copy)[at] ?? copy);
    const after = await Promise.all(storeFiles(path).map(standOf));
    // Somebody writes to it: the copies are of different moments.
    if (before.some((stand, at) => stand?.size !== after[at]?.size || stand?.mtimeMs !== after[at]?.mtimeMs))
      return { kind: "unknown", why: "it changed while it was copied" };
    const why = await faultOf(copy);
    return why === undefined ? { kind: "sound" } : { kind: "faulty", why: why.replaceAll(copy, path) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const Checked = z.tuple([z.object({ quick_check: z.string() })]);

/** As a daemon's start would say it, and damage behind the first pages, which a start does not look for. */
async function faultOf(path: string): Promise<string | undefined> {
  try {
    const { default: Database } = await import("libsql");
    const database = new Database(path);
    const [said] = Checked.parse(database.pragma("quick_check(1)"));
    database.close();
    if (said.quick_check !== "ok")
      return `The store "${path}" is damaged (${said.quick_check}). Run "agentd reindex": idempotency keys, named tokens and chats are forgotten, nothing of a session is`;
  } catch (error) {
    return openFault(path, error).message;
  }
  try {
    await (await openSqliteStore({ path, isSynced: false })).close();
    return undefined;
  } catch (error) {
    if (error instanceof AgentdError) return error.message;
    throw error;
  }
}

async function standOf(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { size, mtimeMs };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
