/** What this process has started and made, for a program that is ended in the midst of it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Daemons that run, by how to stop them. */
export const daemons = new Set<() => Promise<unknown>>();
/** Data dirs that daemons had: one that was killed leaves its sidecars. */
export const dataDirs = new Set<string>();
/** Folders, by how to remove them. */
export const folders = new Set<() => Promise<unknown>>();

/** Ends and removes all of it. */
export async function endStarted(): Promise<void> {
  await Promise.allSettled([...daemons].map((stop) => stop()));
  for (const dataDir of dataDirs) endSidecars(dataDir);
  dataDirs.clear();
  await Promise.allSettled([...folders].map((remove) => remove()));
}

/** A sidecar that is told to end ends its agent first. */
function endSidecars(dataDir: string): void {
  for (const pid of sidecarsOf(join(dataDir, "sessions"))) {
    try {
      process.kill(pid, "SIGTERM");
    } catch {
      // It ended by itself.
    }
  }
}

function sidecarsOf(sessions: string): number[] {
  try {
    return readdirSync(sessions).flatMap((id) => sidecarOf(join(sessions, id)) ?? []);
  } catch {
    // No session was ever begun there, or the folder is gone with all that was in it.
    return [];
  }
}

/** The sidecar that a session's folder names, if that process is one. */
export function sidecarOf(sessionDir: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(join(sessionDir, "sidecar.json"), "utf8"));
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("sidecar.js") ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}
