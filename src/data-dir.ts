/** The daemon's own things in the data dir: the lock that makes it the only one, its address, its token. */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { chmod, link, lstat, open, readdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { makeDataDir, makeFolder } from "./make-folder.ts";
import { isSameProcess, startTimeOf } from "./process/identity.ts";
import { AgentdError, errnoOf, isDiskFull, messageOf } from "./protocol/error.ts";

/** `daemon.json`: how the commands find the daemon of a data dir. */
export const DaemonFile = z.object({
  pid: z.number().int(),
  pid_started: z.string(),
  version: z.string(),
  /** Absent until it listens. */
  url: z.string().optional(),
  /** Where the commands find the token. */
  token_file: z.string().optional(),
  /** That of an `agentd run`. */
  leaves_when_idle: z.boolean().optional(),
});
export type DaemonFile = z.infer<typeof DaemonFile>;

export interface DataDirLock {
  /** Writes how to reach the daemon into `daemon.json`. */
  announce(served: { url: string; token_file: string }): Promise<void>;
  release(): Promise<void>;
}

/** Makes the data dir ours. Throws when it cannot be written to or a living daemon serves it. */
export async function lockDataDir(
  dataDir: string,
  version: string,
  { leavesWhenIdle = false }: { leavesWhenIdle?: boolean } = {},
): Promise<DataDirLock> {
  await makeDataDir(dataDir);
  const path = join(dataDir, "daemon.json");
  const pidStarted = startTimeOf(process.pid);
  const own: DaemonFile = {
    pid: process.pid,
    pid_started: pidStarted ?? "",
    version,
    ...(leavesWhenIdle ? { leaves_when_idle: true } : {}),
  };
  const next = `${path}.next.${process.pid}`;
  const forgetNext = () => rm(next, { force: true });
  try {
    await needingRoom(dataDir, async () => {
      await writeFile(next, Buffer.alloc(announcedBytes), { mode: 0o600 });
      await takeLock(path, own, dataDir);
    });
  } catch (error) {
    await forgetNext();
    throw error;
  }
  await removeDrafts(dataDir);
  return {
    announce: (served) => needingRoom(dataDir, () => replaceFile(path, next, { ...own, ...served })),
    release: async () => {
      await forgetNext();
      await rm(path, { force: true });
    },
  };
}

/**
 * Room that is taken with the lock for what it will say once the daemon listens: the last there is may go to a session
 * meanwhile, and a daemon that got as far must serve.
 */
const announcedBytes = 8192;

/** Without a few bytes of room there is no lock, and so no daemon. */
async function needingRoom(dataDir: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    throw new AgentdError(
      "disk_full",
      `Cannot serve the data dir "${dataDir}": the disk that holds it is full. Make room, then start again; running sessions wait meanwhile`,
      { cause: error },
    );
  }
}

/** A hard link appears whole or not at all, and fails when the name is taken. */
async function takeLock(path: string, own: DaemonFile, dataDir: string): Promise<void> {
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, JSON.stringify(own), { mode: 0o600 });
    for (let attempt = 0; attempt < 10; attempt++) {
      try {
        await link(draft, path);
        return;
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
      }
      const owner = await readDaemonFile(path);
      if (owner && isSameProcess(owner.pid, owner.pid_started)) {
        throw new AgentdError("internal", `Cannot serve the data dir "${dataDir}": ${servedBy(owner)}`);
      }
      // Moved before it is removed: should a living daemon have taken it meanwhile, it is put back.
      const aside = `${path}.old.${process.pid}`;
      await rename(path, aside).catch(() => undefined);
      const moved = await readDaemonFile(aside);
      if (moved && isSameProcess(moved.pid, moved.pid_started)) await link(aside, path).catch(() => undefined);
      await rm(aside, { force: true });
    }
    throw new AgentdError(
      "internal",
      `Cannot lock the data dir "${dataDir}": other daemons keep trying to. Start one at a time`,
    );
  } finally {
    await rm(draft, { force: true });
  }
}

function servedBy({ pid, url, leaves_when_idle }: DaemonFile): string {
  const owner = `the daemon with pid ${pid} does${url ? ` at ${url}` : ""}`;
  if (!leaves_when_idle) return `${owner}. Use that one, or name another with --data-dir`;
  return `${owner}. "agentd run" started it, and it leaves when its last session and client are gone. Wait for that, or let it leave with "kill ${pid}": sessions that it began end, those that it took over go on for the next daemon`;
}

/** Of daemons that were killed while they began. One that is alive may still need its own. */
async function removeDrafts(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const pid = /^daemon\.json\.(?:old\.|next\.)?(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && startTimeOf(Number(pid)) === undefined) await rm(join(dataDir, name), { force: true });
  }
}

/** By a draft that has its room already. */
async function replaceFile(path: string, draft: string, value: DaemonFile): Promise<void> {
  const text = `${JSON.stringify(value)}\n`;
  const file = await open(draft, "r+");
  try {
    await file.writeFile(text);
    await file.truncate(Buffer.byteLength(text));
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

async function readDaemonFile(path: string): Promise<DaemonFile | undefined> {
  try {
    return DaemonFile.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    // Gone or half made: nobody's.
    return undefined;
  }
}

/** What tells this data dir from others; made at the first start. */
export async function ensureDataDirId(dataDir: string): Promise<{ id: string; isNew: boolean }> {
  const path = join(dataDir, "data-dir-id");
  const found = await readFile(path, "utf8").catch((error: unknown) => {
    if (errnoOf(error) !== "ENOENT") throw error;
    return "";
  });
  if (found.trim() !== "") return { id: found.trim(), isNew: false };
  const id = randomUUID();
  await needingRoom(dataDir, async () => {
    const file = await open(`${path}.tmp`, "w", 0o600);
    try {
      await file.writeFile(`${id}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${path}.tmp`, path);
  });
  return { id, isNew: true };
}

/** What tells its sessions' processes from others' on this machine: of a copy the id is the same, and the path another. */
export async function dataDirMark(dataDir: string): Promise<string> {
  const { id } = await ensureDataDirId(dataDir);
  return createHash("sha256")
    .update(`${id} ${await realpath(dataDir)}`)
    .digest("hex")
    .slice(0, 16);
}

/** The token that callers must send; made at the first start. Readable by its owner only. */
export async function ensureToken(path: string): Promise<string> {
  try {
    return await readOrMakeToken(path);
  } catch (error) {
    if (error instanceof AgentdError) throw error;
    throw new AgentdError(
      "internal",
      `Cannot use the token in "${path}": ${messageOf(error)}. Name a file that can be written with token_file in the configuration`,
      { cause: error },
    );
  }
}

async function readOrMakeToken(path: string): Promise<string> {
  try {
    const token = (await readFile(path, "utf8")).trim();
    if (token.length < 16)
      throw new AgentdError(
        "internal",
        `Cannot use the token in "${path}": it is shorter than 16 characters. Delete the file to get a new one`,
      );
    if (((await lstat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
    return token;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  const token = randomBytes(32).toString("base64url");
  await writeFile(path, `${token}\n`, { mode: 0o600, flag: "wx" });
  return token;
}

/** Puts another token into the file, whole or not at all. Throws when it cannot be written. */
export async function replaceToken(path: string, token: string): Promise<void> {
  try {
    // A link stays one, and leads to the new token.
    const real = await realpath(path);
    const draft = `${real}.new`;
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(`${token}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, real);
  } catch (error) {
    throw new AgentdError(
      "token_not_written",
      `Cannot replace the token in "${path}": ${messageOf(error)}. The old one is still good. Make file and folder writable for this user, or write the file and start the daemon anew`,
      { cause: error },
    );
  }
}

/** Paths of Unix sockets end at 107 bytes; the longest name below the run folder is `/<12 characters>/c/s`. */
const runDirBytesMax = 107 - 18;

/** A short private folder for sockets: in the data dir when its path is short enough, else in the temp dir. */
export async function ensureRunDir(dataDir: string): Promise<string> {
  const own = join(dataDir, "run");
  // Not by its name: a user in a container may have none.
  const uid = process.getuid?.();
  const isShort = Buffer.byteLength(own) <= runDirBytesMax;
  const hash = createHash("sha256").update(dataDir).digest("hex").slice(0, 12);
  const dir = isShort ? own : join(tmpdir(), `agentd-${uid}-${hash}`);
  await makeFolder(dir);
  const found = await lstat(dir);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o077) !== 0) {
    throw new AgentdError(
      "internal",
      `Cannot use the run folder "${dir}": it must be a folder of this user that nobody else can enter (found mode ${(found.mode & 0o777).toString(8)}, owner ${found.uid}). Remove it`,
    );
  }
  return dir;
}
