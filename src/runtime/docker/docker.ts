/** Sidecars in containers of a Docker engine, on this machine or another. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import type { Bootstrap } from "../../protocol/bootstrap.ts";
import type { Denial } from "../../protocol/egress.ts";
import { messageOf } from "../../protocol/error.ts";
import type { EgressChange, Leftover, PlaceSpec, Runtime, SidecarAddress, SidecarHandle } from "../runtime.ts";
import { agentEnvironment } from "./agent-environment.ts";
import { Authorities } from "./authorities.ts";
import { type ContainerLimits, containerOptions } from "./container-options.ts";
import { copiedPremises } from "./copied-premises.ts";
import { hangUp } from "./deadlines.ts";
import { type Engine, engineFault, isMissing, missingImage, openEngine, statusOf } from "./engine.ts";
import { type EngineAddress, isRemote } from "./engine-address.ts";
import { isAway } from "./engine-away.ts";
import { KnownImages } from "./images.ts";
import { Kept } from "./kept.ts";
import { tellLateSpool } from "./late-spool.ts";
import { withoutFrames } from "./log-follower.ts";
import { mountedPremises } from "./mounted-premises.ts";
import { label, type Names } from "./names.ts";
import { Networks } from "./networks.ts";
import { Owed } from "./owed.ts";
import type { Owner } from "./owner.ts";
import { placeInContainer } from "./places.ts";
import { Policies } from "./policies.ts";
import type { Premises } from "./premises.ts";
import { EgressProxy, proxyPort } from "./proxy.ts";
import { policiesInside, wayOutInside } from "./proxy-container.ts";
import { copiedFolders, mountedFolders } from "./proxy-folders.ts";
import { parseProxyLine } from "./proxy-log.ts";
import { SessionNetworks } from "./session-networks.ts";
import { startContainer } from "./start-container.ts";
import { findStrangers, removeStrangers } from "./strangers.ts";
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
  /** Whom a container runs as where the work dir does not say. */
  user: Owner;
  /** Unix ms: what was denied before has been told. */
  deniedSince: number;
  onDenied(sessionId: string, denial: Denial): void;
  log(level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

/** How long a container has to end in order when the engine stops it. */
const stopSeconds = 20;
/** The proxy is kept this long for a next session. */
const proxyIdleMs = 10_000;
const logTailLines = 200;
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

/** What of a session's did not come back to this machine, and whether that was because nobody answered. */
interface Retrieved {
  fault: string | undefined;
  isAway: boolean;
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
  readonly #owed = new Owed((sessionId) => this.#sweepLate(sessionId));
  readonly #images: KnownImages;
  /** Whose address it is, or was until it is given out again: the proxy's last words come late. */
  readonly #sessions = new Map<string, string>();
  readonly #live = new Set<string>();
  readonly #kept = new Kept();
  #idleTimer: NodeJS.Timeout | undefined;

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
      : mountedPremises(rooms);
    this.#watch = new EngineWatch({ engine, names: this.#names });
    this.#images = new KnownImages(engine);
    this.#proxy = new EgressProxy({
      engine,
      names: this.#names,
      image: options.proxyImage,
      policies: this.#policies,
      wayOut: this.#wayOut,
      folders,
      egressNetwork: options.egressNetwork,
      deniedSince: options.deniedSince,
      onLine: (line) => this.#onProxyLine(line),
      log: options.log,
    });
    this.#networks = new SessionNetworks({
      networks: new Networks({ engine, names: this.#names, range: options.subnets }),
      policies: this.#policies,
      proxy: this.#proxy,
      log: options.log,
    });
  }

  readonly placeOf = placeInContainer;

  /** Whose addresses an earlier daemon gave out: what the proxy said meanwhile is read as soon as one of them is taken over. */
  async begin(): Promise<void> {
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
    const { container, egress } = spec;
    if (!container || !egress) throw new Error("a session in a container needs its container and egress decided");
    const act = `start the container of session "${bootstrap.session_id}"`;
    const owner = await this.#premises.ownerFor(spec.workDir);
    await this.#use(bootstrap.session_id);
    let guarded: Promise<void> | undefined;
    try {
      const known = this.#images.check(container.image, act);
      const taken = this.#networks.take(bootstrap.session_id);
      const made = this.#premises.furnish({ spec, bootstrap, owner, image: container.image });
      // All are waited for, also when one fails: what is made behind a sweep nobody would remove.
      await Promise.allSettled([known, taken, made]);
      const [, network, furnished] = await Promise.all([known, taken, made]);
      this.#sessions.set(network.subnet.agent, bootstrap.session_id);
      // Beside the container's own start: until its sidecar has the bootstrap nothing of the agent's runs.
      guarded = this.#networks.guard(bootstrap.session_id, network, egress);
      const env = agentEnvironment(bootstrap.agent.env, {
        proxyUrl: `http://${network.subnet.proxy}:${proxyPort}`,
        authorities: furnished.authorities,
      });
      const started = await startContainer(
        this.#engine,
        containerOptions({
          name: this.#names.ofSession(bootstrap.session_id),
          labels: this.#names.labels("agent", bootstrap.session_id),
          container,
          owner,
          network,
          furnished,
          limits: this.#options.limits,
          stopSeconds,
        }),
        {
          bootstrap: { ...bootstrap, agent: { ...bootstrap.agent, env } },
          guarded,
          launchTimeoutMs: this.#options.launchTimeoutMs,
        },
      );
      if (container.network !== undefined)
        await this.#engine.getNetwork(container.network).connect({ Container: started.id });
      this.#networks.fill();
      return this.#handleOf(this.addressOf(bootstrap, spec), started.id);
    } catch (error) {
      this.#images.forget(container.image);
      await guarded?.catch(() => undefined);
      await this.sweep(bootstrap.session_id).catch((fault: unknown) => {
        this.#options.log("warn", `Cannot clean up behind session "${bootstrap.session_id}": ${messageOf(fault)}`);
        this.#owed.add(bootstrap.session_id);
      });
      if (isMissing(error) && /no such image/i.test(messageOf(error))) throw missingImage(container.image, act);
      throw engineFault(error, act);
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
    this.#kept.add(sessionId);
    clearTimeout(this.#idleTimer);
    const found = await this.#containerOf(sessionId);
    if (!found || !(found.State.Running || found.State.Paused || found.State.Restarting)) {
      this.#kept.drop(sessionId);
      this.#rest();
      return false;
    }
    if (this.#kept.found(sessionId, found.Id))
      void this.#watch.gone(found.Id).then(() => {
        this.#kept.gone(sessionId, found.Id);
        this.#rest();
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

  async sweep(sessionId: string): Promise<string | undefined> {
    const { fault, isAway } = await this.#sweep(sessionId);
    if (isAway) this.#owed.add(sessionId);
    return fault;
  }

  async #sweep(sessionId: string): Promise<Retrieved> {
    await removeContainer(this.#engine, this.#names.ofSession(sessionId));
    await this.#networks.close(sessionId);
    try {
      // Also when not all comes back: the session's end is told by what did, and only that is cleared.
      const retrieved = await this.#retrieve(sessionId);
      if (!retrieved.isAway) await this.#premises.clear(sessionId);
      return retrieved;
    } finally {
      // What cannot come back now waits in its volumes; the proxy does not wait for it.
      this.#live.delete(sessionId);
      this.#kept.drop(sessionId);
      this.#rest();
    }
  }

  /** A container has its session's name: the folder is not asked. */
  async sweepUnread(sessionId: string): Promise<void> {
    await this.sweep(sessionId);
  }

  /** The same for a session that is over. */
  async #sweepLate(sessionId: string): Promise<Retrieved> {
    const retrieved = await this.#sweep(sessionId);
    const { sessionDirOf, log } = this.#options;
    await tellLateSpool(this.sidecarDirOf(sessionDirOf(sessionId)), (message) =>
      log("warn", message, { session_id: sessionId }),
    );
    return retrieved;
  }

  async sweepOthers(
    liveSessions: ReadonlySet<string>,
    { isDryRun, withStrangers }: { isDryRun: boolean; withStrangers: boolean },
  ): Promise<Leftover[]> {
    const [containers, networks, volumes] = await Promise.all([
      this.#engine.listContainers({ all: true, filters: { label: this.#names.filter("agent") } }),
      this.#networks.list(),
      this.#premises.list(),
    ]);
    // Those that are being started are in no list of the caller's yet.
    const isOver = ({ sessionId }: Leftover) =>
      sessionId === undefined || !(liveSessions.has(sessionId) || this.#isOfUse(sessionId));
    const found: Leftover[] = [
      ...containers.map(({ Id, Names: [name = Id], Labels }) => ({
        kind: "container" as const,
        name: name.replace(/^\//, ""),
        sessionId: Labels[label.session],
      })),
      ...networks.map(({ name, sessionId }) => ({ kind: "network" as const, name, sessionId })),
      ...volumes.map(({ name, sessionId }) => ({ kind: "volume" as const, name, sessionId })),
    ];
    const leftovers = found.filter(isOver);
    const isHere = !isRemote(this.#options.engine);
    const strangers = withStrangers && isHere ? await findStrangers(this.#engine, this.#names) : [];
    if (isDryRun) return [...leftovers, ...strangers];
    await removeStrangers(this.#engine, strangers);
    for (const { kind, name } of leftovers) if (kind === "container") await removeContainer(this.#engine, name);
    for (const id of new Set(leftovers.flatMap(({ sessionId }) => sessionId ?? []))) await this.#sweepAnyway(id);
    await this.#networks.removeStrays();
    if (liveSessions.size === 0) await this.#release();
    const kept = new Set((await this.#premises.list()).map(({ name }) => name));
    const told = leftovers.map((one) => (kept.has(one.name) ? { ...one, isKept: true } : one));
    return [...told, ...strangers];
  }

  /** What cannot be removed must keep no daemon from its start. */
  async #sweepAnyway(sessionId: string): Promise<void> {
    try {
      if ((await this.#sweepLate(sessionId)).isAway) this.#owed.add(sessionId);
    } catch (error) {
      this.#options.log("error", `Cannot clean up behind session "${sessionId}": ${messageOf(error)}`, {
        session_id: sessionId,
      });
    }
  }

  /** What an engine that is away keeps us from removing is the next daemon's to remove. */
  async close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    this.#owed.close();
    const tidying = this.#tidyUp().catch((error: unknown) =>
      this.#options.log("warn", `Cannot remove all that was made for sessions: ${messageOf(error)}`),
    );
    const waiting = new AbortController();
    await Promise.race([tidying, delay(tidyMs, undefined, { signal: waiting.signal }).catch(() => undefined)]);
    waiting.abort();
    this.#proxy.close();
    this.#watch.close();
    hangUp(this.#engine);
    await tidying;
  }

  async #tidyUp(): Promise<void> {
    await this.#networks.drain();
    if (this.#isNeeded) return;
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
    return {
      address,
      gone: this.#watch.gone(containerId).then(async (end) => {
        await this.#keepLog(address, containerId);
        await this.#retrieve(address.session_id);
        return end;
      }),
      connect: () => this.#premises.connect(address, containerId),
      destroy: async () => {
        await this.#keepLog(address, containerId);
        await this.#remove(containerId, address.session_id);
        await this.#retrieve(address.session_id);
      },
    };
  }

  /** One that could not be removed is not forgotten when its session is. */
  async #remove(containerId: string, sessionId: string): Promise<void> {
    try {
      await removeContainer(this.#engine, containerId);
    } catch (error) {
      this.#owed.add(sessionId);
      throw error;
    }
  }

  /** What could not come back now is tried again when the session is swept, and kept until it could. */
  async #retrieve(sessionId: string): Promise<Retrieved> {
    try {
      await this.#premises.retrieve(sessionId);
      return { fault: undefined, isAway: false };
    } catch (error) {
      const fault = messageOf(error);
      this.#options.log("warn", `Cannot bring back what session "${sessionId}" did: ${fault}`);
      return { fault, isAway: isAway(error) };
    }
  }

  /** What the sidecar said on stderr, for people: the container will be removed. */
  async #keepLog({ session_dir }: SidecarAddress, containerId: string): Promise<void> {
    try {
      const bytes = await this.#engine
        .getContainer(containerId)
        .logs({ follow: false, stdout: false, stderr: true, tail: logTailLines });
      const text = withoutFrames(bytes);
      if (text.length > 0) await writeFile(join(session_dir, "sidecar.log"), text, { mode: 0o600 });
    } catch {
      // It is gone already, and what it said with it.
    }
  }

  #onProxyLine(line: string): void {
    const found = parseProxyLine(line);
    const sessionId = found && this.#sessions.get(found.address);
    if (found && sessionId !== undefined && found.denial.at > this.#options.deniedSince)
      this.#options.onDenied(sessionId, found.denial);
  }

  #isOfUse(sessionId: string): boolean {
    return this.#live.has(sessionId) || this.#kept.has(sessionId);
  }

  get #isNeeded(): boolean {
    return this.#live.size + this.#kept.size > 0;
  }

  async #release(): Promise<void> {
    if (this.#isNeeded) return;
    await this.#networks.drain();
    if (this.#isNeeded) return;
    await this.#proxy.release();
  }

  async #use(sessionId: string): Promise<void> {
    // A sweep that is under way takes it for the one before.
    await this.#owed.drop(sessionId);
    this.#live.add(sessionId);
    this.#kept.drop(sessionId);
    clearTimeout(this.#idleTimer);
  }

  #rest(): void {
    if (this.#isNeeded) return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.#release().catch((error: unknown) => {
        this.#options.log("warn", `Cannot remove the proxy: ${messageOf(error)}`);
      });
    }, proxyIdleMs).unref();
  }
}

/** Resolves when it is no longer there. */
async function removeContainer(engine: Engine, idOrName: string): Promise<void> {
  const container = engine.getContainer(idOrName);
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    if (isMissing(error)) return;
    // Its removal is under way: it is waited for.
    if (statusOf(error) !== 409) throw engineFault(error, "remove a session's container");
    await container.wait({ condition: "removed" }).catch(() => undefined);
  }
}
