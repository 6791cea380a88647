/** What the daemon remembers of a session's copies on an engine elsewhere, from before its volumes are made until they are gone. */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { errnoOf } from "../../protocol/error.ts";
import { Copied } from "./bring-back.ts";

/** A volume each, the one first that holds what is nowhere else. */
const placeNames = ["work", "home", "box"] as const;
export type Place = (typeof placeNames)[number];

const CopyRecord = z.object({
  /** On the volumes too: one that was made anew meanwhile is another. */
  token: z.string(),
  work_dir: z.string().nullable(),
  home: z.string(),
  copied: Copied,
  /** What has not come back yet. None before all is copied there: nothing can have been made of it. */
  waiting: z.array(z.enum(placeNames)).default([...placeNames]),
});
export type CopyRecord = z.infer<typeof CopyRecord>;

/** In the session's folder. */
const recordName = "copied.json";

export function placesOf(workDir: string | null | undefined): Place[] {
  return placeNames.filter((place) => place !== "work" || typeof workDir === "string");
}

export async function readCopyRecord(sessionDir: string): Promise<CopyRecord | undefined> {
  const path = join(sessionDir, recordName);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  return CopyRecord.parse(JSON.parse(text));
}

export async function writeCopyRecord(sessionDir: string, record: CopyRecord): Promise<void> {
  const path = join(sessionDir, recordName);
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export async function removeCopyRecord(sessionDir: string): Promise<void> {
  await rm(join(sessionDir, recordName), { force: true });
}
