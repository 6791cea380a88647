/** The session's folder: everything of a session is in it, and it is enough to find, recover or clean one. */
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../protocol/error.ts";

export interface SessionHome {
  readonly dir: string;
  /** What the daemon knows of the session. */
  readonly record: string;
  /** The log. */
  readonly log: string;
  /** What the sidecar says of itself (its stderr). */
  readonly sidecarLog: string;
  /** What the agent asked of its model, when its key is hidden. */
  readonly modelRequests: string;
  readonly blobs: string;
  /** What a sidecar in a container writes; whatever is in it is the container's doing. */
  readonly box: string;
  /** The agent's private home. */
  readonly agentHome: string;
  /** The work dir of a session that was asked for without one. */
  readonly scratch: string;
}

export function sessionsDir(dataDir: string): string {
  return join(dataDir, "sessions");
}

export function sessionHome(dataDir: string, id: string): SessionHome {
  const dir = join(sessionsDir(dataDir), id);
  return {
    dir,
    record: join(dir, "session.json"),
    log: join(dir, "events.ndjson"),
    sidecarLog: join(dir, "sidecar.log"),
    modelRequests: join(dir, "model-requests.ndjson"),
    blobs: join(dir, "blobs"),
    box: join(dir, "box"),
    agentHome: join(dir, "home"),
    scratch: join(dir, "work"),
  };
}

export async function createHome(home: SessionHome): Promise<void> {
  await mkdir(home.dir, { recursive: true, mode: 0o700 });
}

/** All that is in it, but for the agent's private home. */
export async function pathsBesidesAgentHome(home: SessionHome): Promise<string[]> {
  try {
    return (await readdir(home.dir)).map((name) => join(home.dir, name)).filter((path) => path !== home.agentHome);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Ids of the sessions that have a folder. */
export async function listHomes(dataDir: string): Promise<string[]> {
  try {
    const entries = await readdir(sessionsDir(dataDir), { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * Whether it is what a crash left of a session that nobody was ever told of: an empty log, and nothing that a session's
 * beginning had not made. A folder with anything else in it is somebody's.
 */
export async function isUnborn(home: SessionHome): Promise<boolean> {
  for (const entry of await readdir(home.dir, { withFileTypes: true })) {
    const path = join(home.dir, entry.name);
    if (path === `${home.record}.tmp`) continue;
    if (path === home.log && (await stat(path)).size === 0) continue;
    if ((path === home.scratch || path === home.agentHome) && (await readdir(path)).length === 0) continue;
    return false;
  }
  return true;
}

/**
 * Whether a session's creation got as far as its record and no further: nothing was accepted yet and no sidecar has been
 * there, so nobody was ever told of it.
 */
export async function isUnbegun(home: SessionHome): Promise<boolean> {
  for (const folder of [home.dir, home.box]) {
    for (const name of await readdir(folder).catch(() => []))
      if (name === "sidecar.json" || name === "sidecar.log" || name.startsWith("spool-")) return false;
  }
  return await isUntold(home.log);
}

const traceLine = '{"type":"system","data":{"subtype":"trace"';

/** No whole line is in the log, or only the one that names the trace. */
async function isUntold(path: string): Promise<boolean> {
  let start = "";
  let lines = 0;
  try {
    for await (const chunk of createReadStream(path, "latin1")) {
      start ||= String(chunk);
      for (const char of String(chunk)) if (char === "\n") lines++;
      if (lines > 1) return false;
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  return lines === 0 || start.startsWith(traceLine);
}

export async function removeHome(home: SessionHome): Promise<void> {
  await rm(home.dir, { recursive: true, force: true });
}
