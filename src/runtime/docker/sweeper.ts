/** What sessions leave on the engine when they are over: what they did comes back to this machine, the rest is removed. */
import { messageOf } from "../../protocol/error.ts";
import type { Leftover } from "../runtime.ts";
import type { Engine } from "./engine.ts";
import { isAway } from "./engine-away.ts";
import { Faults } from "./faults.ts";
import type { InUse } from "./in-use.ts";
import { tellLateSpool } from "./late-spool.ts";
import { label, type Names } from "./names.ts";
import { Owed } from "./owed.ts";
import type { Premises } from "./premises.ts";
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
  ): Promise<Leftover[]> {
    const { engine, names, networks, premises, inUse, isHere } = this.#options;
    const found = await this.#find(liveSessions);
    // Those that are being started are in no list of the caller's yet.
    const leftovers = found.filter(
      ({ sessionId }) => sessionId === undefined || !(liveSessions.has(sessionId) || inUse.has(sessionId)),
    );
    const strangers = withStrangers && isHere ? await findStrangers(engine, names) : [];
    if (isDryRun) return [...leftovers, ...strangers];
    const faults = new Faults(engine);
    for (const fault of await this.#options.settleReady()) faults.add(fault);
    await removeStrangers(engine, strangers, faults);
    await this.#removeLeftovers(leftovers, faults);
    await networks.removeStrays(faults);
    if (liveSessions.size === 0) await faults.try(() => this.#options.release());
    faults.throw("All else that belongs to no session is gone");
    const kept = new Set((await premises.list()).map(({ name }) => name));
    const told = leftovers.map((one) => (kept.has(one.name) ? { ...one, isKept: true } : one));
    return [...told, ...strangers];
  }

  close(): void {
    this.#owed.close();
  }

  async #find(liveSessions: ReadonlySet<string>): Promise<Leftover[]> {
    const { networks, premises } = this.#options;
    const [containers, made, volumes] = await Promise.all([
      this.#containers(liveSessions),
      networks.list(),
      premises.list(),
    ]);
    return [
      ...containers,
      ...made.map(({ name, sessionId }) => ({ kind: "network" as const, name, sessionId })),
      ...volumes.map(({ name, sessionId }) => ({ kind: "volume" as const, name, sessionId })),
    ];
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
  async #removeLeftovers(leftovers: readonly Leftover[], faults: Faults): Promise<void> {
    const ids = new Set(leftovers.flatMap(({ sessionId }) => sessionId ?? []));
    for (const { kind, name, sessionId } of leftovers) {
      if (kind !== "container" || (await faults.try(() => removeContainer(this.#options.engine, name)))) continue;
      // Its network and its folders stay as long as it does.
      if (sessionId !== undefined) ids.delete(sessionId);
    }
    for (const id of ids)
      await faults.try(async () => {
        if ((await this.#sweepLate(id)).isAway) this.#owed.add(id);
      });
  }
}
