/**
 * Folders that were looked at and are used later by their names. Whoever may write above one could put a link in its place
 * meanwhile: so it is looked at again before a session begins in it, and once more when its agent's place has been made.
 */
import { lstat, realpath } from "node:fs/promises";
import { AgentdError } from "../protocol/error.ts";

export interface SeenPlace {
  path: string;
  dev: bigint;
  ino: bigint;
}

export function seePlaces(paths: readonly string[]): Promise<SeenPlace[]> {
  return Promise.all(
    paths.map(async (path) => {
      const { dev, ino } = await lstat(path, { bigint: true });
      return { path, dev, ino };
    }),
  );
}

/** Throws `invalid_work_dir` when one is another folder now, or is reached by another way. */
export async function assertUnmoved(places: readonly SeenPlace[]): Promise<void> {
  for (const { path, dev, ino } of places) {
    const now = await lstat(path, { bigint: true }).catch(() => undefined);
    const real = await realpath(path).catch(() => undefined);
    if (now?.dev === dev && now.ino === ino && real === path) continue;
    throw new AgentdError(
      "invalid_work_dir",
      `Cannot start a session in "${path}": something else was put in its place since it was looked at. See who may write above it, then try again`,
    );
  }
}
