/** A session's container: one that waited for it, or one that is made now. */
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Bootstrap } from "../../protocol/bootstrap.ts";
import type { ContainerSpec } from "../../protocol/container.ts";
import type { EgressPolicy } from "../../protocol/egress.ts";
import { errnoOf, messageOf } from "../../protocol/error.ts";
import type { PlaceSpec } from "../runtime.ts";
import { agentEnvironment } from "./agent-environment.ts";
import type { Authorities } from "./authorities.ts";
import { type ContainerLimits, containerOptions } from "./container-options.ts";
import { type Engine, engineFault, isMissing, missingImage } from "./engine.ts";
import { KnownImages } from "./images.ts";
import type { Names } from "./names.ts";
import type { SessionNetwork } from "./networks.ts";
import type { Owner } from "./owner.ts";
import type { Premises } from "./premises.ts";
import { proxyPort } from "./proxy.ts";
import { ReadyContainers } from "./ready-containers.ts";
import { boundBy, type Kind } from "./ready-kind.ts";
import type { SessionNetworks } from "./session-networks.ts";
import { startContainer } from "./start-container.ts";

/** How long a container has to end in order when the engine stops it. */
const stopSeconds = 20;
/** A sidecar that has come up answers at once; one that does not costs its session no more than this. */
const readyAnswerMs = 5_000;

export interface LauncherOptions {
  engine: Engine;
  names: Names;
  networks: SessionNetworks;
  premises: Premises;
  authorities: Authorities;
  limits: ContainerLimits;
  launchTimeoutMs: number;
  /** Containers that wait for a session, at most. */
  readyCount: number;
  /** Whose address it is from now on. */
  onAddress(address: string, sessionId: string): void;
  log(level: "warn", message: string, fields?: Record<string, unknown>): void;
}

interface Order {
  bootstrap: Bootstrap;
  spec: PlaceSpec;
  container: ContainerSpec;
  egress: EgressPolicy;
  owner: Owner;
}

export class Launcher {
  readonly #options: LauncherOptions;
  readonly #images: KnownImages;
  readonly #ready: ReadyContainers | undefined;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#images = new KnownImages(options.engine);
    const { readyCount: count, premises } = options;
    const { prepare } = premises;
    this.#ready = count > 0 && prepare ? new ReadyContainers({ ...options, prepare, count, stopSeconds }) : undefined;
  }

  /** It is no session's, and on its way to be one's. */
  isReady(containerName: string): boolean {
    return this.#ready?.isOwn(containerName) === true;
  }

  /** Resolves with the container's id when its sidecar has taken the bootstrap. What is there when it rejects is for a sweep. */
  async launch(bootstrap: Bootstrap, spec: PlaceSpec): Promise<string> {
    const { container, egress } = spec;
    if (!container || !egress) throw new Error("a session in a container needs its container and egress decided");
    const act = `start the container of session "${bootstrap.session_id}"`;
    const { premises } = this.#options;
    await premises.admit([...(spec.workDir === undefined ? [] : [spec.workDir]), ...boundBy(container)]);
    const owner = await premises.ownerFor(spec.workDir);
    const order = { bootstrap, spec, container, egress, owner };
    try {
      const kind = await this.#kindOf(order);
      const id = (kind && (await this.#launchReady(order, kind))) ?? (await this.#launchNew(order, act));
      if (container.network !== undefined)
        await this.#options.engine.getNetwork(container.network).connect({ Container: id });
      this.#options.networks.fill();
      if (kind) this.#ready?.fill(kind);
      return id;
    } catch (error) {
      this.#images.forget(container.image);
      if (isMissing(error) && /no such image/i.test(messageOf(error))) throw missingImage(container.image, act);
      throw engineFault(error, act);
    }
  }

  /** What is kept for next sessions goes. */
  async drain(): Promise<void> {
    await this.#ready?.drain();
    await this.#options.networks.drain();
  }

  /** What of them could not be removed is tried again. Resolves with what still stands in the way. */
  async settle(): Promise<string[]> {
    return (await this.#ready?.settle()) ?? [];
  }

  close(): void {
    this.#ready?.close();
  }

  /** Undefined for a session of which none can wait: what only it has is mounted when its container is made. */
  async #kindOf({ bootstrap, spec, container, owner }: Order): Promise<Kind | undefined> {
    const { model_door, host_doors, login_file, session_id } = bootstrap;
    const hasOwnMounts = model_door !== undefined || host_doors !== undefined || login_file !== undefined;

    if (!this.#ready || hasOwnMounts || !(await isEmpty(spec.privateHome))) return undefined;
    const { authorities, names } = this.#options;
    return {
      container,
      owner,
      workDir: spec.workDir,
      authorities: await authorities.fileFor(container.image, names.labels("agent", session_id)),
      runRoot: dirname(spec.runDir),
    };
  }

  /** Undefined where none waits that is of use. */
  async #launchReady(order: Order, kind: Kind): Promise<string | undefined> {
    const taken = await this.#ready?.take(kind);
    if (!taken) return undefined;
    const { opened } = taken;
    const { bootstrap, spec } = order;
    const id = bootstrap.session_id;
    this.#options.networks.assign(id, taken.network);
    const guarded = this.#guard(order, taken.network);
    try {
      const parts = [guarded, taken.become(id, spec)];
      await Promise.allSettled(parts);
      await Promise.all(parts);
      const timeoutMs = Math.min(this.#options.launchTimeoutMs, readyAnswerMs);
      await opened.tell(this.#bootstrapFor(order, taken), timeoutMs);
      return opened.container.id;
    } catch (error) {
      await taken.discard();
      // Without a way out there is no session, whatever container it has.
      await guarded;
      const reason = messageOf(error);
      this.#options.log("warn", "a ready container could not be used; a new one is made", { session_id: id, reason });
      return undefined;
    } finally {
      opened.hangUp();
    }
  }

  async #launchNew(order: Order, act: string): Promise<string> {
    const { bootstrap, spec, container, owner } = order;
    const { engine, names, networks, premises, limits, launchTimeoutMs } = this.#options;
    const id = bootstrap.session_id;
    const known = this.#images.check(container.image, act);
    const taken = networks.take(id);
    const made = premises.furnish({ spec, bootstrap, owner, image: container.image });
    // All are waited for, also when one fails: what is made behind a sweep nobody would remove.
    await Promise.allSettled([known, taken, made]);
    const [, network, furnished] = await Promise.all([known, taken, made]);
    // Beside the container's own start: until its sidecar has the bootstrap nothing of the agent's runs.
    const guarded = this.#guard(order, network);
    const labels = names.labels("agent", id);
    try {
      const started = await startContainer(
        engine,
        containerOptions({
          name: names.ofSession(id),
          labels,
          container,
          owner,
          network,
          furnished,
          limits,
          stopSeconds,
        }),
        {
          bootstrap: this.#bootstrapFor(order, { network, authorities: furnished.authorities }),
          guarded,
          launchTimeoutMs,
        },
      );
      return started.id;
    } catch (error) {
      await guarded.catch(() => undefined);
      throw error;
    }
  }

  #guard({ bootstrap, egress }: Order, network: SessionNetwork): Promise<void> {
    this.#options.onAddress(network.subnet.agent, bootstrap.session_id);
    return this.#options.networks.guard(bootstrap.session_id, network, egress);
  }

  #bootstrapFor(
    { bootstrap }: Order,
    { network, authorities }: { network: SessionNetwork; authorities: string | undefined },
  ): Bootstrap {
    const proxyUrl = `http://${network.subnet.proxy}:${proxyPort}`;
    const env = agentEnvironment(bootstrap.agent.env, { proxyUrl, authorities });
    return { ...bootstrap, agent: { ...bootstrap.agent, env } };
  }
}

/** Of a conversation that goes on the home is there, and another one cannot take its place. */
async function isEmpty(privateHome: string | undefined): Promise<boolean> {
  if (privateHome === undefined) return false;
  try {
    return (await readdir(privateHome)).length === 0;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    throw error;
  }
}
