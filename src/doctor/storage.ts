/** The data dir: whether it can be written, who else may look into it, what kind of disk it is on, and how much room that has. */
import { access, constants, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { type Examined, type Finding, machine } from "./finding.ts";
import { storageKind } from "./storage-kind.ts";

const roomBytesMin = 100_000_000;
const roomBytesLow = 1_000_000_000;
/** A session makes some ten files; on a file system with fixed tables they may be used up while there is room. */
const filesMin = 100;
const filesLow = 2000;

export async function checkDataDir({ dataDir }: Examined): Promise<Finding[]> {
  const there = await firstThere(dataDir);
  try {
    await access(there, constants.W_OK | constants.X_OK);
    const { mode, uid } = await stat(there);
    if (there !== dataDir) return [machine("data dir", "ok", `${dataDir} (will be made)`)];
    if (uid !== process.getuid?.())
      return [
        machine("data dir", "warning", `${dataDir} belongs to the user ${uid}`, "Name one of your own: --data-dir"),
      ];
    if ((mode & 0o077) === 0) return [machine("data dir", "ok", dataDir)];
    const shown = (mode & 0o777).toString(8);
    return [
      machine(
        "data dir",
        "warning",
        `${dataDir} has the mode ${shown}: others may look into it`,
        `chmod 700 ${dataDir}`,
      ),
    ];
  } catch (error) {
    const why = `${dataDir} cannot be written: ${errnoOf(error) ?? messageOf(error)}`;
    return [machine("data dir", "wrong", why, `Make ${there} writable, or name another with --data-dir`)];
  }
}

export async function checkRoom({ dataDir }: Examined): Promise<Finding[]> {
  try {
    const { bavail, bsize, files, ffree } = await statfs(await firstThere(dataDir));
    const bytes = bavail * bsize;
    // Those that make files as they need them say that they have none at all.
    const filesFree = files === 0 ? Number.POSITIVE_INFINITY : ffree;
    const isFewFiles = filesFree < filesLow;
    const found = `${(bytes / 1e9).toFixed(1)} GB free${isFewFiles ? `, room for ${filesFree} more files` : ""}`;
    if (bytes >= roomBytesLow && !isFewFiles) return [machine("disk", "ok", found)];
    const advice = "Make room, or name another data dir with --data-dir: docs/operations.md says what may be deleted";
    const isOut = bytes < roomBytesMin || filesFree < filesMin;
    return [machine("disk", isOut ? "wrong" : "warning", found, advice)];
  } catch (error) {
    return [machine("disk", "note", `cannot be told: ${messageOf(error)}`)];
  }
}

/** Sockets and locks of a disk elsewhere hold on one machine at best, and SQLite's file in memory that others map on none. */
export async function checkStorage({ dataDir }: Examined): Promise<Finding[]> {
  try {
    const kind = await storageKind(await firstThere(dataDir));
    if (kind === "local") return [];
    if ("memory" in kind) {
      const found = `the data dir is in memory (${kind.memory}): it is gone when the machine starts anew`;
      return [machine("file system", "warning", found, "Name a folder on a disk with --data-dir")];
    }
    const found = `the data dir is on ${kind.network}: its lock, its sockets and its database are made for a disk of this machine`;
    return [machine("file system", "warning", found, "Name a folder on a disk of this machine with --data-dir")];
  } catch (error) {
    return [machine("file system", "note", `cannot be told: ${messageOf(error)}`)];
  }
}

/** The path, or the nearest folder above it that is there. */
async function firstThere(path: string): Promise<string> {
  for (let there = path; ; there = dirname(there)) {
    const isThere = await stat(there).then(
      () => true,
      () => false,
    );
    if (isThere || dirname(there) === there) return there;
  }
}
