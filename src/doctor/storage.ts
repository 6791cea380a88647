/** The data dir: whether it can be written, who else may look into it, and how much room its disk has. */
import { access, constants, stat, statfs } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { type Examined, type Finding, machine } from "./finding.ts";

const roomBytesMin = 100_000_000;
const roomBytesLow = 1_000_000_000;

export async function checkDataDir({ dataDir }: Examined): Promise<Finding[]> {
  const there = await firstThere(dataDir);
  try {
    await access(there, constants.W_OK | constants.X_OK);
    const { mode, uid } = await stat(there);
    if (there !== dataDir) return [machine("data dir", "ok", `${dataDir} (will be made)`)];
    if (uid !== userInfo().uid)
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
    const { bavail, bsize } = await statfs(await firstThere(dataDir));
    const bytes = bavail * bsize;
    const found = `${(bytes / 1e9).toFixed(1)} GB free`;
    if (bytes >= roomBytesLow) return [machine("disk", "ok", found)];
    const advice = "Make room, or name another data dir with --data-dir: docs/operations.md says what may be deleted";
    return [machine("disk", bytes < roomBytesMin ? "wrong" : "warning", found, advice)];
  } catch (error) {
    return [machine("disk", "note", `cannot be told: ${messageOf(error)}`)];
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
