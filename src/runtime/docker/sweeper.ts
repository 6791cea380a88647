/** What sessions leave on the engine when they are over: what they did comes back to this machine, the rest is removed. */
import { AgentdError, messageOf } from "../../protocol/error.ts";
import type { Leftover, Swept } from "../runtime.ts";
import { type Engine, engineFault } from "./engine.ts";
import { isAway } from "./engine-away.ts";
import type { InUse } from "./in-use.ts";
import { tellLateSpool } from "./late-spool.ts";
import { label, type Names } from "./names.ts";
import { Owed } from "./owed.ts";
import type { Premises } from "./premises.ts";
import { Removals } from "./removals.ts";
import { removeContainer } from "./remove-container.ts";
import type { SessionNetworks } from "./session-networks.ts";
import { findStrangers, removeStrangers } from "./strangers.ts";

export interface SweeperOptions {
  engine: Engine;
  /** Only there can it be seen which daemons' data dirs are gone. */
  isHere: boolean;
  names: Names;
  networks: SessionNetworks;
  premises: Premises;
  inUse: InUse;
  /** Of a container that waits for a session. */
  isReady(containerName: string): boolean;
  /** Tries again to remove what of those could not be. Resolves with what still stands in the way. */
  settleReady(): Promise<string[]>;
  /** The folder in which the session's sidecar wrote. */
  sidecarDirOf(sessionId: string): string;
  /** Removes what is kept for sessions, when there are none. */
  release(): Promise<void>;
  log(level: "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

/** What of a session's did not come back to this machine, and whether that was because nobody answered. */
interface Retrieved {
  fault: string | undefined;
  isAway: boolean;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #owed = new Owed((sessionId) => this.#sweepLate(sessionId));

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** Its id is a living session's: a sweep that is under way takes it for the one before. */
  async spare(sessionId: string): Promise<void> {
    await this.#owed.drop(sessionId);
  }

  async sweep(sessionId: string): Promise<string | undefined> {
    const { fault, isAway } = await this.#sweep(sessionId);
    if (isAway) this.#owed.add(sessionId);
    return fault;
  }

  /** Behind a launch that failed. Never rejects: what could not be removed is tried again. */
  async sweepFailed(sessionId: string): Promise<void> {
    await this.sweep(sessionId).catch((fault: unknown) => {
      this.#options.log("warn", `Cannot clean up behind session "${sessionId}": ${messageOf(fault)}`);
      this.#owed.add(sessionId);
    });
  }

  /** One that could not be removed is not forgotten when its session is. */
  async remove(containerId: string, sessionId: string): Promise<void> {
    try {
      await removeContainer(this.#options.engine, containerId);
    } catch (error) {
      this.#owed.add(sessionId);
      throw error;
    }
  }

  /** What could not come back now is tried again when the session is swept, and kept until it could. */
  async retrieve(sessionId: string): Promise<Retrieved> {
    try {
      await this.#options.premises.retrieve(sessionId);
      return { fault: undefined, isAway: false };
    } catch (error) {
      const fault = messageOf(error);
      this.#options.log("warn", `Cannot bring back what session "${sessionId}" did: ${fault}`);
      return { fault, isAway: isAway(error) };
    }
  }

  async sweepOthers(
    liveSessions: ReadonlySet<string>,
    { isDryRun, withStrangers }: { isDryRun: boolean; withStrangers: boolean },
  ): Promise<Swept> {
    const find = () => this.#find(liveSessions, { withStrangers });
    const found = await find();
    if (isDryRun) return { leftovers: found, faults: [] };
    const removals = new Removals(this.#options.engine);
    try {
      await this.#removeAll(found, liveSessions, removals);
    } catch (error) {
      // The engine is away. What it did before is told all the same.
      removals.add(engineFault(error, "remove all that belongs to no session"));
    }
    return { leftovers: await told(found, find, removals), faults: removals.faults };
  }

  close(): void {
    this.#owed.close();
  }

  async #find(liveSessions: ReadonlySet<string>, { withStrangers }: { withStrangers: boolean }): Promise<Leftover[]> {
    const { engine, names, networks, premises, inUse, isHere } = this.#options;
    const [containers, made, volumes] = await Promise.all([
      this.#containers(liveSessions),
      networks.list(),
      premises.list(),
    ]);
    const own = [
      ...containers,
      ...made.map(({ name, sessionId }) => ({ kind: "network" as const, name, sessionId })),
      ...volumes.map(({ name, sessionId }) => ({ kind: "volume" as const, name, sessionId })),
    ];
    // Those that are being started are in no list of the caller's yet.
    const leftovers = own.filter(
      ({ sessionId }) => sessionId === undefined || !(liveSessions.has(sessionId) || inUse.has(sessionId)),
    );
    return [...leftovers, ...(withStrangers && isHere ? await findStrangers(engine, names) : [])];
  }

  async #removeAll(found: readonly Leftover[], liveSessions: ReadonlySet<string>, removals: Removals): Promise<void> {
    const { engine, networks, settleReady, release } = this.#options;
    for (const fault of await settleReady()) {
      const message = `Cannot remove all of a container that was kept ready: ${fault}. It is tried again every few seconds`;
      removals.add(new AgentdError("internal", message));
    }
    await removeStrangers(engine, found.filter(isStrange), removals);
    await this.#removeLeftovers(
      found.filter((one) => !isStrange(one)),
      removals,
    );
    await networks.removeStrays(removals);
    if (liveSessions.size === 0) await removals.try(release);
  }

  /** One that waited bears no session on a label, since that cannot be added: its name says it. */
  async #containers(liveSessions: ReadonlySet<string>): Promise<Leftover[]> {
    const { engine, names, inUse, isReady } = this.#options;
    const [own, waited] = await Promise.all(
      (["agent", "ready"] as const).map((role) =>
        engine.listContainers({ all: true, filters: { label: names.filter(role) } }),
      ),
    );
    // Behind the lists: a session that has begun since is among these.
    const byName = new Map([...liveSessions, ...inUse.ids].map((id) => [names.ofSession(id), id]));
    return [...(own ?? []), ...(waited ?? [])]
      .map(({ Id, Names: [given = Id], Labels }) => {
        const name = given.replace(/^\//, "");
        return { kind: "container" as const, name, sessionId: Labels[label.session] ?? byName.get(name) };
      })
      .filter(({ name }) => !isReady(name));
  }

  async #sweep(sessionId: string): Promise<Retrieved> {
    const { engine, names, networks, premises, inUse } = this.#options;
    await removeContainer(engine, names.ofSession(sessionId));
    await networks.close(sessionId);
    try {
      // Also when not all comes back: the session's end is told by what did, and only that is cleared.
      const retrieved = await this.retrieve(sessionId);
      if (!retrieved.isAway) await premises.clear(sessionId);
      return retrieved;
    } finally {
      // What cannot come back now waits in its volumes; the proxy does not wait for it.
      inUse.drop(sessionId);
    }
  }

  /** The same for a session that is over. */
  async #sweepLate(sessionId: string): Promise<Retrieved> {
    const retrieved = await this.#sweep(sessionId);
    const { sidecarDirOf, log } = this.#options;
    await tellLateSpool(sidecarDirOf(sessionId), (message) => log("warn", message, { session_id: sessionId }));
    return retrieved;
  }

  /** One that cannot be removed keeps none behind it. */
  async #removeLeftovers(leftovers: readonly Leftover[], removals: Removals): Promise<void> {
    const ids = new Set(leftovers.flatMap(({ sessionId }) => sessionId ?? []));
    for (const leftover of leftovers) {
      const { kind, name, sessionId } = leftover;
      if (kind !== "container") continue;
      if (await removals.try(() => removeContainer(this.#options.engine, name), { leftover })) continue;
      // Its network and its folders stay as long as it does.
      if (sessionId !== undefined) ids.delete(sessionId);
    }
    for (const sessionId of ids)
      await removals.try(
        async () => {
          const { fault, isAway } = await this.#sweepLate(sessionId);
          if (isAway) this.#owed.add(sessionId);
          if (fault !== undefined) removals.add(unreturned(sessionId, { fault, isAway }), sessionId);
        },
        { sessionId },
      );
  }
}

function isStrange({ dataDir }: Leftover): boolean {
  return dataDir !== undefined;
}

function unreturned(sessionId: string, { fault, isAway }: { fault: string; isAway: boolean }): AgentdError {
  const code = isAway ? "runtime_unavailable" : "internal";
  return new AgentdError(code, `Cannot bring back what session "${sessionId}" did: ${fault}`);
}

/** What is still there when all was tried is told as such: by what the engine says then, or where it does not, said before. */
async function told(
  found: readonly Leftover[],
  find: () => Promise<Leftover[]>,
  removals: Removals,
): Promise<Leftover[]> {
  // As a rule: to ask again costs a start some round trips.
  if (found.length === 0) return [];
  const keyOf = ({ kind, name, sessionId }: Leftover) => JSON.stringify([kind, name, sessionId]);
  let isThere: (one: Leftover) => boolean;
  try {
    const still = new Set((await find()).map(keyOf));
    isThere = (one) => still.has(keyOf(one));
  } catch (error) {
    removals.add(engineFault(error, "see what is left of sessions"));
    isThere = (one) => !removals.isGone(one);
  }
  return found.map((one) => {
    if (one.isKept || !isThere(one)) return one;
    // Of a session's volume something stands only in there: it is meant to stay.
    return one.kind === "volume" && !isStrange(one) ? { ...one, isKept: true } : { ...one, hasFailed: true };
  });
}
