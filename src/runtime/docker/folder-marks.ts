/**
 * Folders' turns between daemons that do not know of each other: one per data dir, perhaps of other users or in containers. All
 * they have in common is the folder, so whoever works on it leaves a mark in it: an empty folder whose time is set anew as long as
 * its owner lives. One that is old is nobody's. Who changes the folder waits for all others, who reads it for those who change
 * it, or a folder around it.
 */
import { randomUUID } from "node:crypto";
import { readdir, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { AgentdError, messageOf } from "../../protocol/error.ts";

/** Behind them the daemon that it is of. */
const [changing, reading] = [".agentd-changing-", ".agentd-reading-"];
const markName = /^\.agentd-(?:changing|reading)-[0-9a-f]{12}(?:-[0-9a-f-]{36})?$/;

/** Set anew in half the time. */
const staleMs = 30_000;
const lookEveryMs = 200;
/** A way back may hold gigabytes. */
const waitMs = 10 * 60_000;

type Release = () => Promise<void>;
/** Throws when it is over. */
type Deadline = () => void;

export function isMark(name: string): boolean {
  return markName.test(name);
}

export class FolderMarks {
  readonly #daemon: string;

  /** The daemon's own name: what bears it and is none of its turns was left by one that died. */
  constructor(daemon: string) {
    this.#daemon = daemon;
  }

  /** Only one at a time in a daemon, with no reader beside it. Rejects when it was not its turn in ten minutes: nothing is changed then. */
  async change<T>(folder: string, act: () => Promise<T>): Promise<T> {
    await this.#clear(folder);
    const release = await this.#takeTurn(folder, deadline(folder));
    try {
      return await act();
    } finally {
      await release();
    }
  }

  /** The same. Where no mark can be left, such as on a disk that cannot be written to, who changes it cannot wait for us. */
  async read<T>(folder: string, act: () => Promise<T>): Promise<T> {
    const isOver = deadline(folder);
    for (;;) {
      while (await this.#isChanged(folder)) await pause(isOver);
      const path = join(folder, `${reading}${this.#daemon}-${randomUUID()}`);
      const release = await put(path).catch((): Release => async () => undefined);
      try {
        // Who left its mark before it saw ours waits for ours to go.
        if (!(await isHeld(folder, (name) => this.#isOthers(name, changing)))) return await act();
      } finally {
        await release();
      }
      await pause(isOver);
    }
  }

  /**
   * With its mark there and no other one. Of two that see each other the one whose name comes first keeps its mark, so that the other
   * has to wait for it, and not both.
   */
  async #takeTurn(folder: string, isOver: Deadline): Promise<Release> {
    const own = `${changing}${this.#daemon}`;
    for (;;) {
      const release = await put(join(folder, own)).catch((error: unknown) => {
        const act = `Cannot leave a mark in "${folder}"`;
        throw new AgentdError("launch_failed", `${act}: ${messageOf(error)}`, { cause: error });
      });
      try {
        while (!(await isHeld(folder, (name) => this.#isOthers(name, changing) && name < own))) {
          const isFree = !(await isHeld(folder, (name) => this.#isOthers(name, changing) || name.startsWith(reading)));
          if (isFree && !(await this.#isChangedAround(folder))) return release;
          await pause(isOver);
        }
      } catch (error) {
        await release();
        throw error;
      }
      await release();
      while (await this.#isChanged(folder)) await pause(isOver);
    }
  }

  /** What a daemon of this data dir left that died. */
  async #clear(folder: string): Promise<void> {
    for (const name of await marksIn(folder))
      if ([changing, reading].some((kind) => name.startsWith(kind + this.#daemon))) await drop(join(folder, name));
  }

  async #isChanged(folder: string): Promise<boolean> {
    return (await isHeld(folder, (name) => this.#isOthers(name, changing))) || (await this.#isChangedAround(folder));
  }

  /** A folder around it, by whoever has that as its work dir. */
  async #isChangedAround(folder: string): Promise<boolean> {
    for (let at = folder; at !== dirname(at); ) {
      at = dirname(at);
      if (await isHeld(at, (name) => this.#isOthers(name, changing))) return true;
    }
    return false;
  }

  /** Those of one daemon wait for each other without marks. */
  #isOthers(name: string, kind: string): boolean {
    return name.startsWith(kind) && !name.startsWith(kind + this.#daemon);
  }
}

function deadline(folder: string): Deadline {
  const since = performance.now();
  return () => {
    if (performance.now() - since < waitMs) return;
    const found = `by the marks in it (${changing}…, ${reading}…) other daemons have worked on it for ${waitMs / 60_000} minutes`;
    throw new AgentdError(
      "launch_failed",
      `Cannot copy "${folder}": ${found}. Let them end, or remove the marks where there are none, then try again`,
    );
  };
}

async function pause(isOver: Deadline): Promise<void> {
  isOver();
  await delay(lookEveryMs);
}

async function put(path: string): Promise<Release> {
  // Here, not above: it takes over what a dozen signals do to the process that loads it.
  const { lock } = await import("proper-lockfile");
  // It was suspended for longer than others wait. What is done file by file looks at each again right before it.
  const onCompromised = () => undefined;
  const release = await lock(path, { realpath: false, lockfilePath: path, stale: staleMs, onCompromised });
  // One that was taken from us is not ours to release.
  return () => release().catch(() => undefined);
}

/** What cannot be looked at holds nobody up. Those of daemons that died go: nobody else looks for them. */
async function isHeld(folder: string, isAsked: (name: string) => boolean): Promise<boolean> {
  for (const name of (await marksIn(folder)).filter(isAsked)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (!found) continue;
    const sinceMs = Date.now() - found.mtimeMs;
    // One of a time to come is no daemon's: whoever may write there could hold everybody up by it for ever.
    if (Math.abs(sinceMs) <= staleMs) return true;
    if (sinceMs > 0) await drop(join(folder, name));
  }
  return false;
}

async function marksIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.filter(isMark);
}

async function drop(path: string): Promise<void> {
  await rmdir(path).catch(() => undefined);
}
