/** By what a daemon knows on an engine what is its own. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { type Engine, engineFault } from "./engine.ts";
import { earlierDaemon, label, Names, type Origin } from "./names.ts";

/** The same over restarts. Of containers with one image's id the names differ; one that is named anew is another, which is safe. */
export function thisMachine(): string {
  let id = "";
  try {
    id = readFileSync("/etc/machine-id", "utf8").trim();
  } catch {
    // Not every system has one.
  }
  return createHash("sha256").update(`agentruntime ${id} ${hostname()}`).digest("hex").slice(0, 16);
}

/**
 * On an engine of this machine, what the version before this one began is taken over by the name that it had; as long as
 * anything of it is there, all goes by that name. On another machine's engine that name may be anybody's.
 */
export async function namesOn(engine: Engine, origin: Origin, { isAway }: { isAway: boolean }): Promise<Names> {
  if (isAway) return new Names(origin);
  const earlier = earlierDaemon(origin.dataDir);
  const filters = { label: [`${label.daemon}=${earlier}`] };
  try {
    const [containers, networks] = await Promise.all([
      engine.listContainers({ all: true, filters }),
      engine.listNetworks({ filters }),
    ]);
    const isOurs = ({ Labels }: { Labels?: Record<string, string> | undefined }) =>
      [undefined, origin.mark].includes(Labels?.[label.mark]);
    return [...containers, ...networks].some(isOurs) ? new Names(origin, earlier) : new Names(origin);
  } catch (error) {
    throw engineFault(error, "look for what an earlier daemon began");
  }
}
