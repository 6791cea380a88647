/**
 * Containers that wait for a session of the kind that began last: their sidecars have come up and hear on stdin what they are for. Each
 * has a network, folders and a home that become that session's and are no other's. None outlives the daemon: its stdin ends then,
 * and with it its sidecar; what is left of it the next start removes.
 */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { errnoOf, messageOf } from "../../protocol/error.ts";
import type { PlaceSpec } from "../runtime.ts";
import { type ContainerLimits, containerOptions } from "./container-options.ts";
import type { Engine } from "./engine.ts";
import { idleMs } from "./in-use.ts";
import type { Names } from "./names.ts";
import type { SessionNetwork } from "./networks.ts";
import type { Premises, Prepared } from "./premises.ts";
import { foldersOf, type Kind, type Seen, seenNow } from "./ready-kind.ts";
import { type Part, Remains } from "./remains.ts";
import { removeContainer } from "./remove-container.ts";
import type { SessionNetworks } from "./session-networks.ts";
import { type OpenContainer, openContainer } from "./start-container.ts";

export interface ReadyContainersOptions {
  engine: Engine;
  names: Names;
  networks: SessionNetworks;
  prepare: NonNullable<Premises["prepare"]>;
  limits: ContainerLimits;
  stopSeconds: number;
  /** How many wait at most. */
  count: number;
  log(level: "warn", message: string): void;
}

interface Naming {
  /** It has its session's name, or may have. */
  isSessions: boolean;
}

interface Waiting {
  kind: Kind;
  name: string;
  opened: OpenContainer;
  network: SessionNetwork;
  prepared: Prepared;
  seen: Seen;
  timer: NodeJS.Timeout;
  /** All that was made for it, the last first. */
  parts: readonly Part[];
  naming: Naming;
  /** A session has it, or it is being removed: its end is no news. */
  isOver: boolean;
  /** By itself, while it was to wait. */
  hasDied: boolean;
}

/** One that a session has taken: it is this session's to use or to discard. */
export interface Taken {
  opened: OpenContainer;
  network: SessionNetwork;
  authorities: string | undefined;
  /** Name and folders become the session's. */
  become(sessionId: string, spec: PlaceSpec): Promise<void>;
  /** Nothing of it is the session's any more. What cannot be removed now is tried again: never rejects. */
  discard(): Promise<void>;
}

const quietMs = 500;

export class ReadyContainers {
  readonly #options: ReadyContainersOptions;
  readonly #waiting: Waiting[] = [];
  /** Names of all that are being made, that wait or that are being taken. */
  readonly #own = new Set<string>();
  readonly #remains = new Remains();
  /** Their folders cannot become a session's: none is of use. */
  #isUseless = false;
  #wanted: Kind | undefined;
  #filling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReadyContainersOptions) {
    this.#options = options;
  }

  isOwn(name: string): boolean {
    return this.#own.has(name);
  }

  /** One that waits, lives, and still has the folders and the image that are there now. */
  async take(kind: Kind): Promise<Taken | undefined> {
    const at = this.#waiting.findIndex((one) => isDeepStrictEqual(one.kind, kind));
    const [one] = at === -1 ? [] : this.#waiting.splice(at, 1);
    if (!one) return undefined;
    this.#claim(one);
    const seen = await seenNow(this.#options.engine, kind).catch(() => undefined);
    if (isDeepStrictEqual(seen, one.seen)) return this.#taken(one);
    await this.#remove(one.name, one.parts);
    return undefined;
  }

  /** In the background, once no session has been started for a moment: none is to wait for it. */
  fill(kind: Kind): void {
    if (this.#isUseless) return;
    this.#wanted = kind;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#filling ??= this.#fill().finally(() => {
        this.#filling = undefined;
      });
    }, quietMs).unref();
  }

  /** Those that wait go. */
  async drain(): Promise<void> {
    clearTimeout(this.#timer);
    this.#wanted = undefined;
    await this.#filling;
    await this.settle();
    await Promise.all(this.#waiting.splice(0).map((one) => this.#end(one)));
  }

  /** What could not be removed is tried again. Resolves with what still stands in the way. */
  settle(): Promise<string[]> {
    return this.#remains.settle();
  }

  close(): void {
    this.#remains.close();
  }

  async #fill(): Promise<void> {
    const batch = { deaths: 0 };
    try {
      for (let kind = this.#wanted; kind && !this.#isFull(kind); kind = this.#wanted) {
        const [fault] = await this.settle();
        // There are to be no more of them than can be removed.
        if (fault !== undefined) throw new Error(`one from before is still there (${fault})`);
        // Those of kinds that are not asked for any more make room.
        const last = this.#waiting.length >= this.#options.count ? this.#waiting.shift() : undefined;
        if (last) await this.#end(last);
        const one = await this.#make(kind, batch);
        this.#waiting.push(one);
        // Before it was in the list nobody could take it out of there.
        if (one.hasDied) await this.#give(one);
        // Else they would be made as fast as they die.
        if (batch.deaths > 0) throw new Error("it ended before a session came");
      }
    } catch (error) {
      // The next session makes its own, and says what is wrong.
      this.#options.log("warn", `Cannot keep a container ready: ${messageOf(error)}`);
    }
  }

  #isFull(kind: Kind): boolean {
    const isThere = this.#waiting.some((one) => isDeepStrictEqual(one.kind, kind));
    return isThere && this.#waiting.length >= this.#options.count;
  }

  async #make(kind: Kind, batch: { deaths: number }): Promise<Waiting> {
    const { engine, names, networks, prepare, limits, stopSeconds } = this.#options;
    const name = names.ofReady(randomUUID());
    const { container, owner } = kind;
    const parts: Part[] = [];
    this.#own.add(name);
    try {
      const seen = await seenNow(engine, kind);
      const network = await networks.spare();
      parts.unshift(() => networks.discard(network));
      const prepared = await prepare({ ...kind, image: container.image });
      parts.unshift(() => prepared.remove());
      parts.unshift(() => removeContainer(engine, name));
      const { furnished } = prepared;
      const labels = names.labels("ready");
      const opened = await openContainer(
        engine,
        containerOptions({ name, labels, container, owner, network, furnished, limits, stopSeconds }),
      );
      const naming = { isSessions: false };
      parts.splice(0, 1, () => this.#removeContainer(opened, naming));
      await opened.container.start();
      // What was exchanged while it was mounted may be the one or the other.
      if (!isDeepStrictEqual(await foldersOf(kind), seen.folders))
        throw new Error("a folder that it sees was exchanged");
      // A work dir is not held for a session that does not come.
      const timer = setTimeout(() => void this.#give(one), idleMs).unref();
      const state = { naming, isOver: false, hasDied: false };
      const one: Waiting = { kind, name, opened, network, prepared, seen, timer, parts, ...state };
      void opened.ended.then(() => this.#heedEnd(one, batch));
      return one;
    } catch (error) {
      await this.#remove(name, parts);
      throw error;
    }
  }

  #heedEnd(one: Waiting, batch: { deaths: number }): void {
    if (one.isOver) return;
    one.hasDied = true;
    batch.deaths += 1;
    void this.#give(one);
  }

  /** It waited too long, or ended by itself; one that was taken is no longer ours to end. */
  async #give(one: Waiting): Promise<void> {
    const at = this.#waiting.indexOf(one);
    if (at === -1) return;
    this.#waiting.splice(at, 1);
    await this.#end(one);
  }

  #taken(one: Waiting): Taken {
    const { opened, network, prepared, name, kind, parts, naming } = one;
    return {
      opened,
      network,
      authorities: kind.authorities && prepared.furnished.authorities,
      become: async (sessionId, spec) => {
        await prepared.moveTo(spec).catch((error: unknown) => this.#failMove(error));
        naming.isSessions = true;
        await opened.container.rename({ name: this.#options.names.ofSession(sessionId) });
        this.#own.delete(name);
      },
      discard: () => this.#remove(name, parts),
    };
  }

  /** Between two disks no folder can be moved, now or later. */
  #failMove(error: unknown): never {
    if (errnoOf(error) === "EXDEV" && !this.#isUseless) {
      this.#isUseless = true;
      const found = `Keeps no more containers ready: their folders are on another disk, or mount, than sessions' (${messageOf(error)})`;
      this.#options.log("warn", `${found}. Put the whole data dir on one, or set docker.ready_containers to 0`);
      void this.drain();
    }
    throw error;
  }

  #claim(one: Waiting): void {
    one.isOver = true;
    clearTimeout(one.timer);
  }

  async #end(one: Waiting): Promise<void> {
    this.#claim(one);
    await this.#remove(one.name, one.parts);
  }

  async #remove(name: string, parts: readonly Part[]): Promise<void> {
    const faults = await this.#remains.remove(parts);
    // What could not be removed is found as anybody's leftover, too.
    this.#own.delete(name);
    if (faults.length === 0) return;
    const found = `Cannot remove all of a container that was kept ready: ${faults.join("; ")}`;
    this.#options.log("warn", `${found}. It is tried again every few seconds`);
  }

  /** By its id: it may have been given its session's name. */
  async #removeContainer({ container, hangUp }: OpenContainer, naming: Naming): Promise<void> {
    const { engine, names } = this.#options;
    hangUp();
    try {
      await removeContainer(engine, container.id);
    } catch (error) {
      if (naming.isSessions) {
        // The session gets another one of that name.
        const renamed = container.rename({ name: names.ofReady(randomUUID()) });
        naming.isSessions = await renamed.then(
          () => false,
          () => true,
        );
      }
      throw error;
    }
  }
}
