/** A chat's own folder: where its sessions work when its configuration names none. */
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../protocol/error.ts";

export function workFolder(dataDir: string, folder: string): string {
  return join(dataDir, "chats", folder);
}

/** What was said in an imported chat before it came here. */
export function importedFile(dataDir: string, folder: string): string {
  return join(dataDir, "chats", `${folder}.ndjson`);
}

/** What agents have made in it stays, unless it is to go as well. */
export async function removeFolder(path: string, { isEmptyOnly }: { isEmptyOnly: boolean }): Promise<void> {
  if (!isEmptyOnly) return rm(path, { recursive: true, force: true });
  try {
    await rmdir(path);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) throw error;
  }
}
