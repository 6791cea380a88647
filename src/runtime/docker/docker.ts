/** Sidecars in containers of a Docker engine, on this machine or another. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import type { Bootstrap } from "../../protocol/bootstrap.ts";
import type { Denial } from "../../protocol/egress.ts";
import { messageOf } from "../../protocol/error.ts";
import type { EgressChange, PlaceSpec, Runtime, SidecarAddress, SidecarHandle, Swept } from "../runtime.ts";
import { Authorities } from "./authorities.ts";
import type { ContainerLimits } from "./container-options.ts";
import { copiedPremises } from "./copied-premises.ts";
import { hangUp } from "./deadlines.ts";
import { type Engine, engineFault, isMissing, openEngine } from "./engine.ts";
import { type EngineAddress, isRemote } from "./engine-address.ts";
import { handleOf } from "./handles.ts";
import { InUse } from "./in-use.ts";
import { Launcher } from "./launcher.ts";
import { mountedPremises } from "./mounted-premises.ts";
import type { Names } from "./names.ts";
import { Networks } from "./networks.ts";
import type { Owner } from "./owner.ts";
import { placeInContainer } from "./places.ts";
import { Policies } from "./policies.ts";
import type { Premises } from "./premises.ts";
import { EgressProxy } from "./proxy.ts";
import { policiesInside, wayOutInside } from "./proxy-container.ts";
import { copiedFolders, mountedFolders } from "./proxy-folders.ts";
import { parseProxyLine } from "./proxy-log.ts";
import { SessionNetworks } from "./session-networks.ts";
import { Sweeper } from "./sweeper.ts";
import { EngineWatch } from "./watch.ts";
import { WayOut } from "./way-out.ts";
import { namesOn, thisMachine } from "./whose.ts";

export interface DockerRuntimeOptions {
  engine: EngineAddress;
  dataDir: string;
  dataDirMark: string;
  sessionDirOf(sessionId: string): string;
  launchTimeoutMs: number;
  /** Sessions' own, where a request names none. */
  image: string;
  proxyImage: string;
  /** Of a work dir or home that is copied to an engine on another machine. */
  copyBytesMax: number;
  /** Range out of which each session gets a subnet. */
  subnets: string;
  egressNetwork: string | undefined;
  /** A proxy of the operator's by which the proxy goes out. */
  upstream: string | undefined;
  /** PEM file with authorities that sessions trust besides those of the image. */
  authorities: string | undefined;
  /** In PEM, trusted in addition; empty where there are none. */
  extraAuthorities: string;
  limits: ContainerLimits;
  /** Containers that wait for a session, at most. */
  readyContainers: number;
  /** Whom a container runs as where the work dir does not say. */
  user: Owner;
  /** Unix ms: what was denied before has been told. */
  deniedSince: number;
  onDenied(sessionId: string, denial: Denial): void;
  /** The proxy no longer worked and is replaced. */
  onProxyReplaced(): void;
  log(level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

/** How long a daemon that leaves waits for the removal of what no session needs. */
const tidyMs = 30_000;

/** Rejects with `runtime_unavailable`, saying what to do, when no engine answers. */
export async function dockerRuntime(options: DockerRuntimeOptions): Promise<Runtime> {
  const engine = await openEngine(options.engine);
  const origin = { dataDir: options.dataDir, mark: options.dataDirMark, machine: thisMachine() };
  const names = await namesOn(engine, origin, { isAway: isRemote(options.engine) });
  const runtime = new DockerRuntime(options, engine, names);
  await runtime.begin();
  return {
    name: runtime.name,
    hasScratch: runtime.hasScratch,
    placeOf: placeInContainer,
    sidecarDirOf: (sessionDir) => runtime.sidecarDirOf(sessionDir),
    addressOf: (bootstrap, spec) => runtime.addressOf(bootstrap, spec),
    launch: (bootstrap, spec) => runtime.launch(bootstrap, spec),
    recover: (address) => runtime.recover(address),
    keep: (sessionId) => runtime.keep(sessionId),
    holdLimits: () => runtime.holdLimits(),
    sweep: (sessionId) => runtime.sweep(sessionId),
    sweepUnread: (sessionId) => runtime.sweepUnread(sessionId),
    sweepOthers: (live, options) => runtime.sweepOthers(live, options),
    changeEgress: (change) => runtime.changeEgress(change),
    close: () => runtime.close(),
  };
}

class DockerRuntime implements Runtime {
  readonly name = "docker";
  readonly hasScratch = true;
  readonly #options: DockerRuntimeOptions;
  readonly #engine: Engine;
  readonly #names: Names;
  readonly #networks: SessionNetworks;
  readonly #policies: Policies;
  readonly #wayOut: WayOut;
  readonly #authorities: Authorities;
  readonly #premises: Premises;
  readonly #proxy: EgressProxy;
  readonly #watch: EngineWatch;
  readonly #launcher: Launcher;
  readonly #sweeper: Sweeper;
  readonly #inUse: InUse;
  /** Whose address it is, or was until it is given out again: the proxy's last words come late. */
  readonly #sessions = new Map<string, string>();

  constructor(options: DockerRuntimeOptions, engine: Engine, names: Names) {
    this.#options = options;
    this.#engine = engine;
    this.#names = names;
    const isAway = isRemote(options.engine);
    const folders = isAway ? copiedFolders({ engine, names: this.#names }) : mountedFolders;
    this.#policies = new Policies(join(options.dataDir, "egress"), (files) => folders.deliver(policiesInside, files));
    this.#wayOut = new WayOut({
      folder: join(options.dataDir, "egress-way-out"),
      upstream: options.upstream,
      deliver: (name, text) => folders.deliver(wayOutInside, [{ name, text }]),
    });
    this.#authorities = new Authorities({
      engine,
      folder: join(options.dataDir, "authorities"),
      file: options.authorities,
      extra: options.extraAuthorities,
    });
    const { sidecarDirOf } = this;
    const rooms = { names: this.#names, authorities: this.#authorities, user: options.user, sidecarDirOf };
    this.#premises = isAway
      ? copiedPremises({
          ...rooms,
          engine,
          image: options.image,
          bytesMax: options.copyBytesMax,
          sessionDirOf: options.sessionDirOf,
          log: options.log,
        })
      : mountedPremises({ ...rooms, address: options.engine, readyDir: this.#readyDir });
    this.#watch = new EngineWatch({ engine, names: this.#names });
    this.#proxy = new EgressProxy({
      engine,
      names: this.#names,
      image: options.proxyImage,
      policies: this.#policies,
      wayOut: this.#wayOut,
      folders,
      egressNetwork: options.egressNetwork,
      deniedSince: options.deniedSince,
      isNeeded: () => this.#inUse.isNeeded,
      onLine: (line) => this.#onProxyLine(line),
      onReplaced: options.onProxyReplaced,
      log: options.log,
    });
    this.#networks = new SessionNetworks({
      networks: new Networks({ engine, names: this.#names, range: options.subnets }),
      policies: this.#policies,
      proxy: this.#proxy,
      log: options.log,
    });
    this.#launcher = new Launcher({
      engine,
      names,
      networks: this.#networks,
      premises: this.#premises,
      authorities: this.#authorities,
      limits: options.limits,
      launchTimeoutMs: options.launchTimeoutMs,
      readyCount: options.readyContainers,
      onAddress: (address, sessionId) => this.#sessions.set(address, sessionId),
      log: options.log,
    });
    const release = () => this.#release();
    this.#inUse = new InUse({ release, log: options.log });
    this.#sweeper = new Sweeper({
      engine,
      isHere: !isAway,
      names,
      networks: this.#networks,
      premises: this.#premises,
      inUse: this.#inUse,
      isReady: (name) => this.#launcher.isReady(name),
      settleReady: () => this.#launcher.settle(),
      sidecarDirOf: (sessionId) => sidecarDirOf(options.sessionDirOf(sessionId)),
      release,
      log: options.log,
    });
  }

  readonly placeOf = placeInContainer;

  /** Whose addresses an earlier daemon gave out: what the proxy said meanwhile is read as soon as one of them is taken over. */
  async begin(): Promise<void> {
    // Of containers that waited for a session of an earlier daemon: they ended with it.
    await rm(this.#readyDir, { recursive: true, force: true });
    for (const [address, sessionId] of await this.#policies.owners()) this.#sessions.set(address, sessionId);
  }

  /** Apart from the session's own folder: what is in this one is the container's. */
  sidecarDirOf(sessionDir: string): string {
    return join(sessionDir, "box");
  }

  addressOf({ session_id, token, protocol }: Bootstrap, { sessionDir, runDir }: PlaceSpec): SidecarAddress {
    return {
      runtime: "docker",
      session_id,
      session_dir: sessionDir,
      socket_path: join(runDir, "c", "s"),
      token,
      protocol,
    };
  }

  async launch(bootstrap: Bootstrap, spec: PlaceSpec): Promise<SidecarHandle> {
    await this.#use(bootstrap.session_id);
    try {
      const containerId = await this.#launcher.launch(bootstrap, spec);
      return this.#handleOf(this.addressOf(bootstrap, spec), containerId);
    } catch (error) {
      await this.#sweeper.sweepFailed(bootstrap.session_id);
      throw error;
    }
  }

  async recover(address: SidecarAddress): Promise<SidecarHandle | undefined> {
    const found = await this.#containerOf(address.session_id);
    if (!found) return undefined;
    await this.#use(address.session_id);
    await this.#recoverNetwork(address.session_id, found);
    // One that has ended already says so by its handle, with the reason that the engine knows.
    return this.#handleOf(address, found.Id);
  }

  async keep(sessionId: string): Promise<boolean> {
    const { kept } = this.#inUse;
    kept.add(sessionId);
    this.#inUse.hold();
    const found = await this.#containerOf(sessionId);
    if (!found || !(found.State.Running || found.State.Paused || found.State.Restarting)) {
      kept.drop(sessionId);
      this.#inUse.rest();
      return false;
    }
    if (kept.found(sessionId, found.Id))
      void this.#watch.gone(found.Id).then(() => {
        kept.gone(sessionId, found.Id);
        this.#inUse.rest();
      });
    await this.#recoverNetwork(sessionId, found);
    return true;
  }

  async #containerOf(sessionId: string): Promise<Docker.ContainerInspectInfo | undefined> {
    try {
      return await this.#engine.getContainer(this.#names.ofSession(sessionId)).inspect();
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw engineFault(error, `find the container of session "${sessionId}"`);
    }
  }

  async #recoverNetwork(sessionId: string, { NetworkSettings }: Docker.ContainerInspectInfo): Promise<void> {
    const network = await this.#networks.recover(sessionId, Object.keys(NetworkSettings.Networks));
    if (network) this.#sessions.set(network.subnet.agent, sessionId);
  }

  holdLimits(): void {
    // They are the container's, and the engine's affair.
  }

  sweep(sessionId: string): Promise<string | undefined> {
    return this.#sweeper.sweep(sessionId);
  }

  /** A container has its session's name: the folder is not asked. */
  async sweepUnread(sessionId: string): Promise<void> {
    await this.#sweeper.sweep(sessionId);
  }

  sweepOthers(
    liveSessions: ReadonlySet<string>,
    options: { isDryRun: boolean; withStrangers: boolean },
  ): Promise<Swept> {
    return this.#sweeper.sweepOthers(liveSessions, options);
  }

  /** What an engine that is away keeps us from removing is the next daemon's to remove. */
  async close(): Promise<void> {
    this.#inUse.hold();
    this.#sweeper.close();
    const tidying = this.#tidyUp().catch((error: unknown) =>
      this.#options.log("warn", `Cannot remove all that was made for sessions: ${messageOf(error)}`),
    );
    const waiting = new AbortController();
    await Promise.race([tidying, delay(tidyMs, undefined, { signal: waiting.signal }).catch(() => undefined)]);
    waiting.abort();
    this.#launcher.close();
    this.#proxy.close();
    this.#watch.close();
    hangUp(this.#engine);
    await tidying;
  }

  async #tidyUp(): Promise<void> {
    await this.#launcher.drain();
    if (this.#inUse.isNeeded) return;
    await this.#proxy.release();
    await rm(this.#policies.folder, { recursive: true, force: true });
    await this.#wayOut.remove();
    await this.#authorities.remove();
  }

  async changeEgress({ upstream, extraAuthorities, policies }: EgressChange): Promise<{ changed: string[] }> {
    // What can be found out beforehand is, and what can be taken back comes first: behind the last step nothing can fail.
    const staged = await this.#networks.stage(policies);
    let changed: string[];
    try {
      const takeBack = await this.#proxy.changeUpstream(upstream);
      changed = await staged.commit().catch(async (error: unknown) => {
        await takeBack().catch((fault: unknown) =>
          this.#options.log("error", `Cannot let the proxy go out as it did: ${messageOf(fault)}`),
        );
        throw error;
      });
    } catch (error) {
      await staged.drop();
      throw error;
    }
    this.#authorities.change(extraAuthorities);
    return { changed };
  }

  #handleOf(address: SidecarAddress, containerId: string): SidecarHandle {
    const parts = { engine: this.#engine, watch: this.#watch, premises: this.#premises, sweeper: this.#sweeper };
    return handleOf(parts, { address, containerId });
  }

  #onProxyLine(line: string): void {
    const found = parseProxyLine(line);
    const sessionId = found && this.#sessions.get(found.address);
    if (found && sessionId !== undefined && found.denial.at > this.#options.deniedSince)
      this.#options.onDenied(sessionId, found.denial);
  }

  get #readyDir(): string {
    return join(this.#options.dataDir, "ready-containers");
  }

  async #release(): Promise<void> {
    if (this.#inUse.isNeeded) return;
    await this.#launcher.drain();
    if (this.#inUse.isNeeded) return;
    await this.#proxy.release();
  }

  async #use(sessionId: string): Promise<void> {
    await this.#sweeper.spare(sessionId);
    this.#inUse.add(sessionId);
  }
}
