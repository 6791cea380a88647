/** What of a folder others than its owner cannot read: an agent of root's could, and is not to. */
import { type Dirent, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

const readable = 0o004;
const enterable = 0o001;

/** Files and folders below it, each folder for all that is in it. Links are nothing of their own. */
export function privateEntries(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) return [];
    if (!isForOthers(path, entry.isDirectory())) return [path];
    return entry.isDirectory() ? privateEntries(path) : [];
  });
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // Gone meanwhile, or closed to this user as it will be to the agent.
    return [];
  }
}

function isForOthers(path: string, isFolder: boolean): boolean {
  const needed = isFolder ? readable | enterable : readable;
  const found = lstatSync(path, { throwIfNoEntry: false });
  // What has gone meanwhile could not be hidden.
  return found === undefined || (found.mode & needed) === needed;
}
