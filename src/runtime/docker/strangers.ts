/** What daemons left on the engine whose data dirs are gone: none of them will ever look after it again. */
import { lstat } from "node:fs/promises";
import { errnoOf } from "../../protocol/error.ts";
import type { Leftover } from "../runtime.ts";
import { type Engine, engineFault, isMissing } from "./engine.ts";
import { label, type Names, type Role } from "./names.ts";
import type { Removals } from "./removals.ts";

/** In the order in which they can be removed. */
const kinds = ["container", "network", "volume"] as const;

const sessionVolume: Role = "session-volume";
/** One that waited for its session has an agent in it since then; without its daemon it runs for no other reason. */
const agentRoles: readonly (string | undefined)[] = ["agent", "ready"] satisfies Role[];

interface Found extends Leftover {
  daemon: string;
  machine: string | undefined;
  dataDir: string;
  mark: string | undefined;
  isRunningAgent: boolean;
}

/**
 * Of daemons of this machine only, who may share its engine with those of others: of theirs we see no data dir. Those of which
 * an agent still runs are told and left alone: whoever moved a data dir away in its midst may want it.
 */
export async function findStrangers(engine: Engine, names: Names): Promise<Leftover[]> {
  const { origin } = names;
  const all = (await listAll(engine, origin.machine)).filter(({ daemon }) => daemon !== names.daemon);
  const gone = new Set<string>();
  for (const dataDir of new Set(all.map((found) => found.dataDir))) if (await isGone(dataDir)) gone.add(dataDir);
  // Ours lies now where another one was.
  const isReplaced = ({ dataDir, mark }: Found) => dataDir === origin.dataDir && mark !== origin.mark;
  const lively = new Set(all.flatMap(({ daemon, isRunningAgent }) => (isRunningAgent ? [daemon] : [])));
  return all
    .filter((found) => gone.has(found.dataDir) || isReplaced(found))
    .map(({ kind, name, sessionId, daemon, dataDir }) => ({
      kind,
      name,
      sessionId,
      dataDir,
      ...(lively.has(daemon) ? { isKept: true } : {}),
    }));
}

export async function removeStrangers(
  engine: Engine,
  strangers: readonly Leftover[],
  removals: Removals,
): Promise<void> {
  for (const kind of kinds)
    for (const leftover of strangers.filter((one) => one.kind === kind && !one.isKept))
      await removals.try(() => removeStranger(engine, leftover), { leftover });
}

async function removeStranger(engine: Engine, { kind, name }: Pick<Leftover, "kind" | "name">): Promise<void> {
  try {
    if (kind === "container") await engine.getContainer(name).remove({ force: true, v: true });
    else if (kind === "network") await engine.getNetwork(name).remove();
    else await engine.getVolume(name).remove();
  } catch (error) {
    if (!isMissing(error)) throw engineFault(error, `remove the ${kind} "${name}" of a daemon that is gone`);
  }
}

async function listAll(engine: Engine, machine: string): Promise<Found[]> {
  const filters = { label: [`${label.managed}=1`] };
  try {
    const [containers, networks, { Volumes }] = await Promise.all([
      engine.listContainers({ all: true, filters }),
      engine.listNetworks({ filters }),
      engine.listVolumes({ filters }),
    ]);
    const all = [
      ...containers.flatMap(({ Id, Names: [name = Id], Labels, State }) =>
        found("container", name.replace(/^\//, ""), Labels, State === "running" || State === "paused"),
      ),
      ...networks.flatMap(({ Name, Labels }) => found("network", Name, Labels ?? {}, false)),
      ...(Volumes ?? []).flatMap(({ Name, Labels }) => found("volume", Name, Labels ?? {}, false)),
    ];
    return all.filter((one) => one.machine === machine);
  } catch (error) {
    throw engineFault(error, "list what daemons have made");
  }
}

/**
 * Versions that did not write down their data dir and machine made what cannot be told. A session's volume may hold work that
 * exists nowhere else: only a person removes it.
 */
function found(
  kind: Leftover["kind"],
  name: string,
  labels: Readonly<Record<string, string>>,
  isRunning: boolean,
): Found[] {
  const [daemon, dataDir] = [labels[label.daemon], labels[label.dataDir]];
  if (daemon === undefined || dataDir === undefined || labels[label.role] === sessionVolume) return [];
  const isRunningAgent = isRunning && agentRoles.includes(labels[label.role]);
  const [mark, machine] = [labels[label.mark], labels[label.machine]];
  return [{ kind, name, sessionId: labels[label.session], daemon, dataDir, mark, machine, isRunningAgent }];
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
