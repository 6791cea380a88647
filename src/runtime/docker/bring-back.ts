/**
 * What a container made of a copy of a folder, put into the folder. What was changed here meanwhile stays as it is: the
 * container's version is put beside it.
 */
import { createHash } from "node:crypto";
import { constants, createReadStream, type Stats } from "node:fs";
import { chmod, link, lstat, mkdir, open, readdir, readlink, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, posix } from "node:path";
import * as z from "zod";
import type { Packed } from "./tree-archive.ts";

/** What was copied, as it was then. */
export const Copied = z.array(
  z.object({
    path: z.string(),
    kind: z.enum(["directory", "file", "link"]),
    size: z.number(),
    mtime: z.number(),
    mode: z.number(),
    /** Of a file's content: by its time alone, what was changed within the same second would be taken for what it was before. */
    digest: z.string().optional(),
    leads_to: z.string().optional(),
  }),
);
export type Copied = z.infer<typeof Copied>;

/** What is remembered of something that was copied. */
export function copiedOf({ path, kind, stat: { mtimeMs, mode }, size, digest, leadsTo }: Packed): Copied[number] {
  return {
    path,
    kind,
    size,
    mtime: mtimeMs,
    mode: mode & 0o777,
    ...(digest === undefined ? {} : { digest }),
    ...(leadsTo === undefined ? {} : { leads_to: leadsTo }),
  };
}

/** Of a name in a folder, in what Linux and macOS have. */
const nameBytesMax = 255;

export interface Brought {
  /** Changed on both sides: where the container's version lies now. */
  conflicts: string[];
}

/** `staging` lies on the same file system, and is used up. Both are real folders; no link in them is followed. */
export async function bringBack(options: {
  staging: string;
  folder: string;
  copied: Copied;
  /** For the names of versions that are put beside. */
  mark: string;
}): Promise<Brought> {
  const before = new Map(options.copied.map((entry) => [entry.path, entry]));
  const brought: Brought = { conflicts: [] };
  const seen = new Set<string>();
  await takeOver("", { ...options, before, brought, seen });
  // What is gone there goes here, unless it is something else by now; what lies in a folder before the folder.
  for (const entry of [...options.copied].reverse()) {
    if (seen.has(entry.path)) continue;
    const at = join(options.folder, entry.path);
    const now = await statOf(at);
    if (!now || !(await parentsAreReal(options.folder, entry.path))) continue;
    if (entry.kind === "directory") await rmdir(at).catch(() => undefined);
    else if (await isAsCopied(at, entry)) await rm(at);
  }
  return brought;
}

interface Merge {
  staging: string;
  folder: string;
  mark: string;
  before: ReadonlyMap<string, Copied[number]>;
  brought: Brought;
  seen: Set<string>;
}

async function takeOver(path: string, merge: Merge): Promise<void> {
  for (const name of await readdir(join(merge.staging, path))) {
    const inner = posix.join(path, name);
    merge.seen.add(inner);
    const [from, to] = [join(merge.staging, inner), join(merge.folder, inner)];
    const made = await lstat(from);
    const here = await statOf(to);
    if (made.isDirectory() && (!here || here.isDirectory())) {
      if (!here && !merge.before.has(inner)) {
        await rename(from, to);
        continue;
      }
      // One that was removed here is made for what is new in it, and only for that.
      if (!here) await mkdir(to, { mode: 0o700 });
      await takeOver(inner, merge);
      if (here || (await readdir(to)).length > 0) await chmod(to, made.mode & 0o777);
      else await rmdir(to);
    } else if (!here) {
      // It was here and is not any more: somebody removed it, and the container did not touch it.
      const old = merge.before.get(inner);
      if (!old || !(await isAsCopied(from, old))) await rename(from, to);
    } else if (!(await isSame(from, to))) await replace(inner, { from, to }, merge);
  }
}

async function replace(path: string, { from, to }: { from: string; to: string }, merge: Merge): Promise<void> {
  const { before } = merge;
  const aside = `${merge.staging}.before`;
  if (await isUntouched(path, to, before)) {
    const isFolder = await Promise.all([from, to].map(async (at) => (await lstat(at)).isDirectory()));
    if (!isFolder.includes(true)) return await putInPlace(path, { from, to, aside }, merge);
    await rm(to, { recursive: true, force: true });
    await rename(from, to);
    return;
  }
  // Only here it was changed.
  if (await isUntouched(path, from, before)) return;
  await putBeside({ from, to }, merge);
}

/** In one step for whoever reads it. What somebody wrote into the old one since it was looked at is not lost by that. */
async function putInPlace(
  path: string,
  { from, to, aside }: { from: string; to: string; aside: string },
  merge: Merge,
): Promise<void> {
  await rm(aside, { force: true });
  // Some file systems know no second names; there the moment between the look and the step is what it is.
  const isKept = await link(to, aside).then(
    () => true,
    () => false,
  );
  await rename(from, to);
  if (!isKept) return;
  if (!(await isUntouched(path, aside, merge.before))) {
    await putBeside({ from: to, to }, merge);
    await rename(aside, to);
  }
  await rm(aside, { force: true });
}

async function putBeside({ from, to }: { from: string; to: string }, { mark, brought }: Merge): Promise<void> {
  const beside = await nameBeside({ from, to, mark });
  await rename(from, beside);
  brought.conflicts.push(beside);
}

/** What has such a name already is somebody's, unless it is this very version, put there by a way back that was cut short. */
async function nameBeside({ from, to, mark }: { from: string; to: string; mark: string }): Promise<string> {
  for (let count = 1; ; count++) {
    const suffix = `.from-${mark}${count === 1 ? "" : `-${count}`}`;
    const beside = join(dirname(to), shortened(basename(to), nameBytesMax - Buffer.byteLength(suffix)) + suffix);
    if (!(await statOf(beside)) || (await isSame(from, beside))) return beside;
  }
}

function shortened(name: string, bytesMax: number): string {
  const letters = [...name];
  while (Buffer.byteLength(letters.join("")) > bytesMax) letters.pop();
  return letters.join("");
}

/** It is as it was copied, with all that is below it. */
async function isUntouched(path: string, at: string, before: Merge["before"]): Promise<boolean> {
  const old = before.get(path);
  if (!old || !(await isAsCopied(at, old))) return false;
  if (old.kind !== "directory") return true;
  for (const name of await readdir(at))
    if (!(await isUntouched(posix.join(path, name), join(at, name), before))) return false;
  return true;
}

async function isAsCopied(
  path: string,
  { kind, size, mtime, mode, leads_to, digest }: Copied[number],
): Promise<boolean> {
  const now = await lstat(path);
  if (kind === "directory") return now.isDirectory();
  if (kind === "link") return now.isSymbolicLink() && (await readlink(path)) === leads_to;
  if (!now.isFile() || now.size !== size || (now.mode & 0o777) !== mode) return false;
  // What a version wrote down that took no digests. An archive knows whole seconds.
  if (digest === undefined) return Math.floor(now.mtimeMs / 1000) === Math.floor(mtime / 1000);
  return (await digestOf(path)) === digest;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  for await (const piece of file.createReadStream()) hash.update(piece);
  return hash.digest("base64url");
}

async function isSame(one: string, other: string): Promise<boolean> {
  const [a, b] = [await lstat(one), await lstat(other)];
  if (a.isSymbolicLink() && b.isSymbolicLink()) return (await readlink(one)) === (await readlink(other));
  if (!a.isFile() || !b.isFile() || a.size !== b.size || (a.mode & 0o777) !== (b.mode & 0o777)) return false;
  const left = createReadStream(one)[Symbol.asyncIterator]();
  for await (const chunk of createReadStream(other)) {
    const { value } = await left.next();
    if (!Buffer.isBuffer(value) || !value.equals(chunk)) {
      await left.return?.();
      return false;
    }
  }
  return true;
}

/** Somebody may have put a link in a folder's place meanwhile. */
async function parentsAreReal(folder: string, path: string): Promise<boolean> {
  const parents = path.split("/").slice(0, -1);
  for (let count = 1; count <= parents.length; count++)
    if (!(await statOf(join(folder, ...parents.slice(0, count))))?.isDirectory()) return false;
  return true;
}

async function statOf(path: string): Promise<Stats | undefined> {
  return lstat(path).catch(() => undefined);
}

/** An empty folder of ours beside what is to be brought into another one. */
export async function freshFolder(path: string): Promise<string> {
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}
