/** Logs that the Go daemon left, in a folder that it may still write to: the index follows them when it is asked. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../protocol/error.ts";
import type { SessionIndex } from "../store/store.ts";
import { rowOfLog } from "./log-row.ts";

const suffix = ".ndjson";
/** Files open at once: a data dir may hold more logs than a process may have files. */
const filesAtOnce = 16;

export function foreignLog(dataDir: string, id: string): string {
  return join(dataDir, "logs", `${id}${suffix}`);
}

/** Reads those that are new or have another size than they had. */
export async function indexForeignLogs(dataDir: string, index: SessionIndex): Promise<void> {
  const names = (await unlessUnreadable(readdir(join(dataDir, "logs")))) ?? [];
  const ids = names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
  const known = new Map((await index.standings("foreign")).map(({ id, log_bytes }) => [id, log_bytes]));
  const found = new Set<string>();
  const rest = ids.values();
  const follow = async () => {
    for (const id of rest) {
      const path = foreignLog(dataDir, id);
      const size = (await unlessUnreadable(stat(path)))?.size;
      if (size === undefined) continue;
      found.add(id);
      if (known.get(id) === size) continue;
      const row = await unlessUnreadable(rowOfLog(id, path, "foreign"));
      // A session of ours keeps its id.
      const owner = known.has(id) ? undefined : await index.byId(id);
      if (row && !owner) await index.put(row);
      if (!row) found.delete(id);
    }
  };
  await Promise.all(Array.from({ length: filesAtOnce }, follow));
  await index.drop([...known.keys()].filter((id) => !found.has(id)));
}

/** One that is gone, is no file or is somebody else's is left out. What fails for our own sake (too many open files) is not. */
async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EISDIR", "EACCES", "EPERM"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}
