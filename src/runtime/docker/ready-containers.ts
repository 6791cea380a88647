/**
 * Containers that wait for a session of the kind that began last: their sidecars have come up and hear on stdin what they are for. Each
 * has a network, folders and a home that become that session's and are no other's. None outlives the daemon: its stdin ends then,
 * and with it its sidecar; what is left of it the next start removes.
 */
import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import type { ContainerSpec } from "../../protocol/container.ts";
import { messageOf } from "../../protocol/error.ts";
import type { PlaceSpec } from "../runtime.ts";
import { type ContainerLimits, containerOptions } from "./container-options.ts";
import type { Engine } from "./engine.ts";
import type { Names } from "./names.ts";
import type { SessionNetwork } from "./networks.ts";
import type { Owner } from "./owner.ts";
import type { Premises, Prepared } from "./premises.ts";
import { removeContainer } from "./remove-container.ts";
import type { SessionNetworks } from "./session-networks.ts";
import { type OpenContainer, openContainer } from "./start-container.ts";

/** All that is decided when a container is made; a session takes only one that is in all of it as its own would be. */
export interface Kind {
  container: ContainerSpec;
  owner: Owner;
  workDir: string | undefined;
  authorities: string | undefined;
  runRoot: string;
}

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

interface Waiting {
  kind: Kind;
  name: string;
  opened: OpenContainer;
  network: SessionNetwork;
  prepared: Prepared;
  /** What its mounts and its image were when it was made. */
  sources: readonly string[];
  imageId: string;
  timer: NodeJS.Timeout;
  hasEnded: boolean;
}

/** One that a session has taken: it is this session's to use or to discard. */
export interface Taken {
  opened: OpenContainer;
  network: SessionNetwork;
  authorities: string | undefined;
  /** Name and folders become the session's. */
  become(sessionId: string, spec: PlaceSpec): Promise<void>;
  /** Nothing of it is left, but its network where that is a session's. */
  discard(): Promise<void>;
}

const quietMs = 500;
/** A work dir is not held for a session that does not come. */
const waitMs = 10 * 60_000;

export class ReadyContainers {
  readonly #options: ReadyContainersOptions;
  readonly #waiting: Waiting[] = [];
  /** Names of all that are being made, that wait or that are being taken. */
  readonly #own = new Set<string>();
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
    const at = this.#waiting.findIndex((one) => !one.hasEnded && isDeepStrictEqual(one.kind, kind));
    const [one] = at === -1 ? [] : this.#waiting.splice(at, 1);
    if (!one) return undefined;
    clearTimeout(one.timer);
    const [sources, imageId] = await Promise.all([sourcesOf(kind), this.#imageId(kind)]).catch(() => []);
    if (imageId !== one.imageId || !isDeepStrictEqual(sources, one.sources)) {
      await this.#discard(one);
      await this.#options.networks.discard(one.network).catch(() => undefined);
      return undefined;
    }
    return this.#taken(one);
  }

  /** In the background, once no session has been started for a moment: none is to wait for it. */
  fill(kind: Kind): void {
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
    await Promise.all(this.#waiting.splice(0).map((one) => this.#end(one)));
  }

  async #fill(): Promise<void> {
    for (let kind = this.#wanted; kind && !this.#isFull(kind); kind = this.#wanted) {
      try {
        // Those of kinds that are not asked for any more make room.
        if (this.#waiting.length >= this.#options.count) await this.#end(this.#waiting.shift());
        this.#waiting.push(await this.#make(kind));
      } catch (error) {
        // The next session makes its own, and says what is wrong.
        this.#options.log("warn", `Cannot keep a container ready: ${messageOf(error)}`);
        return;
      }
    }
  }

  #isFull(kind: Kind): boolean {
    const isThere = this.#waiting.some((one) => isDeepStrictEqual(one.kind, kind));
    return isThere && this.#waiting.length >= this.#options.count;
  }

  async #make(kind: Kind): Promise<Waiting> {
    const { engine, names, networks, prepare, limits, stopSeconds } = this.#options;
    const name = names.ofReady(randomUUID());
    const { container, owner } = kind;
    const undo: (() => Promise<unknown>)[] = [];
    this.#own.add(name);
    try {
      const [sources, imageId] = await Promise.all([sourcesOf(kind), this.#imageId(kind)]);
      const network = await networks.spare();
      undo.unshift(() => networks.discard(network));
      const prepared = await prepare({ ...kind, image: container.image });
      undo.unshift(() => prepared.remove());
      undo.unshift(() => removeContainer(engine, name));
      const { furnished } = prepared;
      const labels = names.labels("ready");
      const opened = await openContainer(
        engine,
        containerOptions({ name, labels, container, owner, network, furnished, limits, stopSeconds }),
      );
      undo.unshift(async () => opened.hangUp());
      await opened.container.start();
      // What was exchanged while it was mounted may be the one or the other.
      if (!isDeepStrictEqual(await sourcesOf(kind), sources)) throw new Error("a folder that it sees was exchanged");
      const timer = setTimeout(() => void this.#give(one), waitMs).unref();
      const one: Waiting = { kind, name, opened, network, prepared, sources, imageId, timer, hasEnded: false };
      void opened.ended.then(() => {
        one.hasEnded = true;
        void this.#give(one);
      });
      return one;
    } catch (error) {
      for (const step of undo) await step().catch(() => undefined);
      this.#own.delete(name);
      throw error;
    }
  }

  /** It waited too long, or ended by itself; one that was taken is no longer ours to end. */
  async #give(one: Waiting): Promise<void> {
    const at = this.#waiting.indexOf(one);
    if (at !== -1) await this.#end(this.#waiting.splice(at, 1)[0]);
  }

  #taken(one: Waiting): Taken {
    const { opened, network, prepared, name, kind } = one;
    return {
      opened,
      network,
      authorities: kind.authorities && prepared.furnished.authorities,
      become: async (sessionId, spec) => {
        await prepared.moveTo(spec);
        await opened.container.rename({ name: this.#options.names.ofSession(sessionId) });
        this.#own.delete(name);
      },
      discard: () => this.#discard(one),
    };
  }

  async #end(one: Waiting | undefined): Promise<void> {
    if (!one) return;
    clearTimeout(one.timer);
    try {
      await this.#discard(one);
      await this.#options.networks.discard(one.network);
    } catch (error) {
      this.#options.log("warn", `Cannot remove a container that was kept ready: ${messageOf(error)}`);
    }
  }

  async #discard({ opened, prepared, name }: Waiting): Promise<void> {
    opened.hangUp();
    try {
      // By its id: it may have been given its session's name.
      await removeContainer(this.#options.engine, opened.container.id);
      await prepared.remove();
    } finally {
      // What could not be removed is found as anybody's leftover.
      this.#own.delete(name);
    }
  }

  async #imageId({ container }: Kind): Promise<string> {
    return (await this.#options.engine.getImage(container.image).inspect()).Id;
  }
}

/** What is at the paths that are mounted: one that was exchanged since is another folder than the container sees. */
async function sourcesOf({ workDir, container, authorities }: Kind): Promise<string[]> {
  const binds = container.mounts.filter(({ type }) => type === "bind").map(({ source }) => source);
  const paths = [workDir, authorities, ...binds].filter((path) => path !== undefined);
  return Promise.all(
    paths.map(async (path) => {
      const { dev, ino } = await stat(path);
      return `${dev} ${ino}`;
    }),
  );
}
