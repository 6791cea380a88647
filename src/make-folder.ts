/** Making a folder and those above it. Node's own recursive mkdir never returns for a path like `/proc/x/y`, where nothing can be made. */
import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "./protocol/error.ts";

/** Makes what is missing of the path, for its user only. Throws the system's error when that cannot be. */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  let there = path;
  while (!(await isThere(there))) {
    missing.unshift(there);
    there = dirname(there);
  }
  await access(there, constants.W_OK | constants.X_OK);
  for (const folder of missing) {
    // Somebody else may have made it since we looked.
    await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
      if (errnoOf(error) !== "EEXIST") throw error;
    });
  }
  if (!(await stat(path)).isDirectory()) throw new Error("it is not a folder");
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
