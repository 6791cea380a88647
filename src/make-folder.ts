/** Making a folder and those above it. Node's own recursive mkdir never returns for a path like `/proc/x/y`, where nothing can be made. */
import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { AgentdError, errnoOf, messageOf } from "./protocol/error.ts";

/** Makes what is missing of the path, for its user only. Throws the system's error when that cannot be. */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  let there = path;
  while (!(await isThere(there))) {
    missing.unshift(there);
    there = dirname(there);
  }
  // Before its rights: a file that may not be entered is none the less a file.
  if (!(await stat(there)).isDirectory()) throw new Error("it is a file, not a folder");
  await access(there, constants.W_OK | constants.X_OK);
  for (const folder of missing) {
    // Somebody else may have made it since we looked.
    await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
      if (errnoOf(error) !== "EEXIST") throw error;
    });
  }
  if (!(await stat(path)).isDirectory()) throw new Error("it is a file, not a folder");
}

/** The same of a data dir. Throws a sentence when that cannot be. */
export async function makeDataDir(path: string): Promise<void> {
  try {
    await makeFolder(path);
  } catch (error) {
    throw new AgentdError(
      "internal",
      `Cannot use the data dir "${path}": ${inTheWay(error)}. Name another with --data-dir`,
      { cause: error },
    );
  }
}

function inTheWay(error: unknown): string {
  switch (errnoOf(error)) {
    case "ENOTDIR":
      return "something on its path is a file, not a folder";
    case "EACCES":
    case "EPERM":
      return "this user may not write there";
    case "EROFS":
      return "the disk it would be on can only be read";
    case "ENOENT":
      return "no folder can be made there";
    case "ENOSPC":
    case "EDQUOT":
      return "the disk it would be on is full";
    default:
      return messageOf(error);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    // The root has nothing above it to go to.
    if (errnoOf(error) === "ENOENT" && dirname(path) !== path) return false;
    throw error;
  }
}
