/** What daemons left on the engine whose data dirs are gone: none of them will ever look after it again. */
import { lstat } from "node:fs/promises";
import { errnoOf } from "../../protocol/error.ts";
import type { Leftover } from "../runtime.ts";
import { type Engine, engineFault, isMissing } from "./engine.ts";
import { label, type Names } from "./names.ts";

/** In the order in which they can be removed. */
const kinds = ["container", "network", "volume"] as const;

interface Found extends Leftover {
  daemon: string;
  dataDir: string;
  isRunningAgent: boolean;
}

/**
 * For an engine of this machine only: of another one's daemons we see no data dir. Those of which an agent still runs are told
 * and left alone: whoever moved a data dir away in its midst may want it.
 */
export async function findStrangers(engine: Engine, names: Names): Promise<Leftover[]> {
  const all = (await listAll(engine)).filter(({ daemon }) => daemon !== names.daemon);
  const gone = new Set<string>();
  for (const dataDir of new Set(all.map((found) => found.dataDir))) if (await isGone(dataDir)) gone.add(dataDir);
  const lively = new Set(all.flatMap(({ daemon, isRunningAgent }) => (isRunningAgent ? [daemon] : [])));
  return all
    .filter(({ dataDir }) => gone.has(dataDir))
    .map(({ kind, name, sessionId, daemon, dataDir }) => ({
      kind,
      name,
      sessionId,
      dataDir,
      ...(lively.has(daemon) ? { isKept: true } : {}),
    }));
}

export async function removeStrangers(engine: Engine, strangers: readonly Leftover[]): Promise<void> {
  for (const kind of kinds) {
    for (const { name } of strangers.filter((one) => one.kind === kind && !one.isKept)) {
      try {
        if (kind === "container") await engine.getContainer(name).remove({ force: true, v: true });
        else if (kind === "network") await engine.getNetwork(name).remove();
        else await engine.getVolume(name).remove();
      } catch (error) {
        if (!isMissing(error)) throw engineFault(error, `remove the ${kind} "${name}" of a daemon that is gone`);
      }
    }
  }
}

async function listAll(engine: Engine): Promise<Found[]> {
  const filters = { label: [`${label.managed}=1`] };
  try {
    const [containers, networks, { Volumes }] = await Promise.all([
      engine.listContainers({ all: true, filters }),
      engine.listNetworks({ filters }),
      engine.listVolumes({ filters }),
    ]);
    return [
      ...containers.flatMap(({ Id, Names: [name = Id], Labels, State }) =>
        found("container", name.replace(/^\//, ""), Labels, State === "running" || State === "paused"),
      ),
      ...networks.flatMap(({ Name, Labels }) => found("network", Name, Labels ?? {}, false)),
      ...(Volumes ?? []).flatMap(({ Name, Labels }) => found("volume", Name, Labels ?? {}, false)),
    ];
  } catch (error) {
    throw engineFault(error, "list what daemons have made");
  }
}

/** Versions that did not write down their data dir made what cannot be told. */
function found(
  kind: Leftover["kind"],
  name: string,
  labels: Readonly<Record<string, string>>,
  isRunning: boolean,
): Found[] {
  const [daemon, dataDir] = [labels[label.daemon], labels[label.dataDir]];
  if (daemon === undefined || dataDir === undefined) return [];
  const isRunningAgent = isRunning && labels[label.role] === "agent";
  return [{ kind, name, sessionId: labels[label.session], daemon, dataDir, isRunningAgent }];
}

/** A folder that cannot be looked at is there. */
async function isGone(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return errnoOf(error) === "ENOENT";
  }
}
