/**
 * Folders' turns between daemons that do not know of each other: one per data dir, perhaps of other users or in containers. All
 * they have in common is the folder, so whoever works on it leaves a mark in it: an empty folder whose time is set anew as long as
 * its owner lives. One that is old is nobody's, and is taken over. Who changes the folder waits for all others, who reads it for
 * those who change it, or a folder around it.
 */
import { randomUUID } from "node:crypto";
import { readdir, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { errnoOf, messageOf } from "../../protocol/error.ts";

const changing = ".agentd-changing";
const reading = /^\.agentd-reading-[0-9a-f-]{36}$/;

/** Set anew in half the time. */
const staleMs = 30_000;
const lookEveryMs = 200;
/** A way back may hold gigabytes. */
const waitMs = 10 * 60_000;

export function isMark(name: string): boolean {
  return name === changing || reading.test(name);
}

/** Rejects when it was not its turn in ten minutes: nothing is changed then. */
export async function changeInTurn<T>(folder: string, act: () => Promise<T>): Promise<T> {
  const isOver = deadline(folder);
  const release = await take(join(folder, changing), isOver);
  try {
    // Who comes from here on sees ours; those who wait for it do not read meanwhile.
    while ((await isChangedAround(folder)) || (await isRead(folder))) await pause(isOver);
    return await act();
  } finally {
    await release();
  }
}

/** The same. Where no mark can be left, such as on a disk that cannot be written to, who changes it cannot wait for us. */
export async function readInTurn<T>(folder: string, act: () => Promise<T>): Promise<T> {
  const isOver = deadline(folder);
  for (;;) {
    while ((await isHeld(join(folder, changing))) || (await isChangedAround(folder))) await pause(isOver);
    const release = await leave(join(folder, `.agentd-reading-${randomUUID()}`));
    try {
      // Who left its mark before it saw ours waits for ours to go.
      if (!(await isHeld(join(folder, changing)))) return await act();
    } finally {
      await release();
    }
    await pause(isOver);
  }
}

/** Throws when it is over. */
type Deadline = () => void;

function deadline(folder: string): Deadline {
  const since = performance.now();
  return () => {
    if (performance.now() - since < waitMs) return;
    const found = `by the marks in it (${changing}, .agentd-reading-…) other daemons have worked on it for ${waitMs / 60_000} minutes`;
    throw new Error(
      `Cannot copy "${folder}": ${found}. Let them end, or remove the marks where there are none, then try again`,
    );
  };
}

async function pause(isOver: Deadline): Promise<void> {
  isOver();
  await delay(lookEveryMs);
}

async function take(path: string, isOver: Deadline): Promise<() => Promise<void>> {
  for (;;) {
    try {
      return await put(path);
    } catch (error) {
      if (errnoOf(error) !== "ELOCKED")
        throw new Error(`Cannot leave a mark in "${dirname(path)}": ${messageOf(error)}`);
    }
    await pause(isOver);
  }
}

async function leave(path: string): Promise<() => Promise<void>> {
  return put(path).catch(() => async () => undefined);
}

async function put(path: string): Promise<() => Promise<void>> {
  // Here, not above: it takes over what a dozen signals do to the process that loads it.
  const { lock } = await import("proper-lockfile");
  // It was suspended for longer than others wait. What is done file by file looks at each again right before it.
  const onCompromised = () => undefined;
  const release = await lock(path, { realpath: false, lockfilePath: path, stale: staleMs, onCompromised });
  // One that was taken from us is not ours to release.
  return () => release().catch(() => undefined);
}

/** A folder around it, by whoever has that as its work dir. */
async function isChangedAround(folder: string): Promise<boolean> {
  for (let at = folder; at !== dirname(at); ) {
    at = dirname(at);
    if (await isHeld(join(at, changing))) return true;
  }
  return false;
}

async function isRead(folder: string): Promise<boolean> {
  const marks = (await readdir(folder)).filter((name) => reading.test(name)).map((name) => join(folder, name));
  for (const mark of marks) {
    if (await isHeld(mark)) return true;
    // Of one that died. Nobody else looks for it.
    await rmdir(mark).catch(() => undefined);
  }
  return false;
}

/** What cannot be looked at holds nobody up. */
async function isHeld(path: string): Promise<boolean> {
  const { check } = await import("proper-lockfile");
  return check(path, { realpath: false, lockfilePath: path, stale: staleMs }).catch(() => false);
}
