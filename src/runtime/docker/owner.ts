/** As whom a session's container runs: as the owner of its work dir, so that its files are the person's; never as root. */
import { stat } from "node:fs/promises";
import { AgentdError } from "../../protocol/error.ts";

export interface Owner {
  uid: number;
  gid: number;
}

export interface OwnerOptions {
  /** Undefined for a scratch place. */
  workDir: string | undefined;
  /** Taken where the owner is root, or where there is no work dir. */
  configured: Owner;
  /** Who the daemon is: only root may hand folders to somebody else. */
  daemon: Owner;
}

export async function ownerOf(options: OwnerOptions): Promise<Owner> {
  const { workDir, configured, daemon } = options;
  const fallback = daemon.uid === 0 ? configured : daemon;
  if (workDir === undefined) return fallback;
  const found = await stat(workDir);
  const owner = found.uid === 0 ? fallback : { uid: found.uid, gid: found.gid };
  if (daemon.uid !== 0 && owner.uid !== daemon.uid) {
    throw refused(
      workDir,
      `it belongs to user ${owner.uid}, and a daemon of user ${daemon.uid} cannot run containers for that one. Run agentd as the owner or as root, or run: chown -R ${daemon.uid}:${daemon.gid} '${workDir}'`,
    );
  }
  if (!mayWrite(found, owner)) {
    throw refused(
      workDir,
      `the container runs as ${owner.uid}:${owner.gid} and cannot write there (it belongs to ${found.uid}:${found.gid}, mode ${(found.mode & 0o777).toString(8)}). Run: chown -R ${owner.uid}:${owner.gid} '${workDir}'`,
    );
  }
  return owner;
}

function mayWrite(found: { uid: number; gid: number; mode: number }, { uid, gid }: Owner): boolean {
  const needed = 0o3;
  if (found.uid === uid) return ((found.mode >> 6) & needed) === needed;
  if (found.gid === gid) return ((found.mode >> 3) & needed) === needed;
  return (found.mode & needed) === needed;
}

function refused(workDir: string, found: string): AgentdError {
  return new AgentdError("invalid_work_dir", `Cannot use the work dir "${workDir}" in a container: ${found}`);
}
