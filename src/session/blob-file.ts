/** A blob of a session, wherever its sidecar put it. */
import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { join } from "node:path";
import type { SessionHome } from "./home.ts";

const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const plain = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens it for reading; undefined when there is none. A folder that a container writes to may hold links, which would be
 * followed on this machine: neither the folder nor the file may be one, and what is looked at is what is read.
 */
export async function openBlob(home: SessionHome, blob: string): Promise<FileHandle | undefined> {
  if (!name.test(blob)) return undefined;
  return (await openPlain(join(home.blobs, blob))) ?? openInBox(home, blob);
}

async function openInBox({ box }: SessionHome, blob: string): Promise<FileHandle | undefined> {
  const path = join(box, "blobs");
  // Without a handle on a folder (macOS) containers have no such folder either.
  if (process.platform !== "linux" || !(await lstat(path).catch(() => undefined))?.isDirectory()) return undefined;
  const folder = await open(path, plain | constants.O_DIRECTORY).catch(() => undefined);
  try {
    return folder && (await openPlain(`/proc/self/fd/${folder.fd}/${blob}`));
  } finally {
    await folder?.close();
  }
}

async function openPlain(path: string): Promise<FileHandle | undefined> {
  const file = await open(path, plain).catch(() => undefined);
  if (!file || (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}
