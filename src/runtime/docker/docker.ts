/** Sidecars in containers of a Docker engine on this machine. */
import { chmod, chown, lstat, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Bootstrap } from "../../protocol/bootstrap.ts";
import type { Denial } from "../../protocol/egress.ts";
import { AgentdError, messageOf } from "../../protocol/error.ts";
import type { Leftover, PlaceSpec, Runtime, SidecarAddress, SidecarHandle } from "../runtime.ts";
import { connectToSocket } from "../socket-door.ts";
import { agentEnvironment } from "./agent-environment.ts";
import { type ContainerLimits, containerOptions, type HostPlaces } from "./container-options.ts";
import { type Engine, engineFault, isMissing, missingImage, openEngine, statusOf } from "./engine.ts";
import { checkImage } from "./images.ts";
import { withoutFrames } from "./log-follower.ts";
import { label, Names } from "./names.ts";
import { Networks } from "./networks.ts";
import { type Owner, ownerOf } from "./owner.ts";
import { placeInContainer } from "./places.ts";
import { Policies } from "./policies.ts";
import { EgressProxy, proxyPort } from "./proxy.ts";
import { parseProxyLine } from "./proxy-log.ts";
import { SessionNetworks } from "./session-networks.ts";
import { startContainer } from "./start-container.ts";
import { EngineWatch } from "./watch.ts";

export interface DockerRuntimeOptions {
  /** `unix:///var/run/docker.sock` */
  host: string;
  dataDir: string;
  launchTimeoutMs: number;
  proxyImage: string;
  /** Range out of which each session gets a subnet. */
  subnets: string;
  egressNetwork: string | undefined;
  /** PEM file with authorities that sessions trust besides those of the image. */
  authorities: string | undefined;
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

/** Rejects with `runtime_unavailable`, saying what to do, when no engine answers. */
export async function dockerRuntime(options: DockerRuntimeOptions): Promise<Runtime> {
  const runtime = new DockerRuntime(options, await openEngine(options.host));
  await runtime.begin();
  return {
    name: runtime.name,
    hasScratch: runtime.hasScratch,
    placeOf: placeInContainer,
    sidecarDirOf: (sessionDir) => runtime.sidecarDirOf(sessionDir),
    addressOf: (bootstrap, spec) => runtime.addressOf(bootstrap, spec),
    launch: (bootstrap, spec) => runtime.launch(bootstrap, spec),
    recover: (address) => runtime.recover(address),
    holdLimits: () => runtime.holdLimits(),
    sweep: (sessionId) => runtime.sweep(sessionId),
    sweepOthers: (live, options) => runtime.sweepOthers(live, options),
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
  readonly #proxy: EgressProxy;
  readonly #watch: EngineWatch;
  /** Whose address it is, or was until it is given out again: the proxy's last words come late. */
  readonly #sessions = new Map<string, string>();
  readonly #live = new Set<string>();
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(options: DockerRuntimeOptions, engine: Engine) {
    this.#options = options;
    this.#engine = engine;
    this.#names = new Names(options.dataDir);
    this.#policies = new Policies(join(options.dataDir, "egress"));
    this.#watch = new EngineWatch({ engine, names: this.#names });
    this.#proxy = new EgressProxy({
      engine,
      names: this.#names,
      image: options.proxyImage,
      policies: this.#policies,
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
    const owner = await ownerOf({ workDir: spec.workDir, configured: this.#options.user, daemon: ourselves() });
    this.#use(bootstrap.session_id);
    try {
      // The image first: without it there is no reason to wait for a network.
      const isThere = checkImage(this.#engine, container.image, act);
      const opened = isThere.then(() => this.#networks.open(bootstrap.session_id, egress));
      const made = this.#makePlaces(spec, { owner, bootstrap });
      // Both are waited for, also when one fails: what is made behind a sweep nobody would remove.
      await Promise.allSettled([made, opened]);
      const [places, network] = await Promise.all([made, opened]);
      this.#sessions.set(network.subnet.agent, bootstrap.session_id);
      const env = agentEnvironment(bootstrap.agent.env, {
        proxyUrl: `http://${network.subnet.proxy}:${proxyPort}`,
        hasAuthorities: places.authorities !== undefined,
      });
      const started = await startContainer(
        this.#engine,
        containerOptions({
          name: this.#names.ofSession(bootstrap.session_id),
          labels: this.#names.labels("agent", bootstrap.session_id),
          container,
          owner,
          network,
          places,
          limits: this.#options.limits,
          stopSeconds,
        }),
        {
          bootstrap: { ...bootstrap, agent: { ...bootstrap.agent, env } },
          launchTimeoutMs: this.#options.launchTimeoutMs,
        },
      );
      if (container.network !== undefined)
        await this.#engine.getNetwork(container.network).connect({ Container: started.id });
      this.#networks.fill();
      return this.#handleOf(this.addressOf(bootstrap, spec), started.id);
    } catch (error) {
      await this.sweep(bootstrap.session_id).catch((fault: unknown) =>
        this.#options.log("warn", `Cannot clean up behind session "${bootstrap.session_id}": ${messageOf(fault)}`),
      );
      if (isMissing(error) && /no such image/i.test(messageOf(error))) throw missingImage(container.image, act);
      throw engineFault(error, act);
    }
  }

  async recover(address: SidecarAddress): Promise<SidecarHandle | undefined> {
    const name = this.#names.ofSession(address.session_id);
    let id: string;
    try {
      id = (await this.#engine.getContainer(name).inspect()).Id;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw engineFault(error, `find the container of session "${address.session_id}"`);
    }
    this.#use(address.session_id);
    const network = await this.#networks.recover(address.session_id);
    if (network) this.#sessions.set(network.subnet.agent, address.session_id);
    // One that has ended already says so by its handle, with the reason that the engine knows.
    return this.#handleOf(address, id);
  }

  holdLimits(): void {
    // They are the container's, and the engine's affair.
  }

  async sweep(sessionId: string): Promise<void> {
    await removeContainer(this.#engine, this.#names.ofSession(sessionId));
    await this.#networks.close(sessionId);
    this.#live.delete(sessionId);
    this.#rest();
  }

  async sweepOthers(liveSessions: ReadonlySet<string>, { isDryRun }: { isDryRun: boolean }): Promise<Leftover[]> {
    const [containers, networks] = await Promise.all([
      this.#engine.listContainers({ all: true, filters: { label: this.#names.filter("agent") } }),
      this.#networks.list(),
    ]);
    // Those that are being started are in no list of the caller's yet.
    const isOver = ({ sessionId }: Leftover) =>
      sessionId === undefined || !(liveSessions.has(sessionId) || this.#live.has(sessionId));
    const found: Leftover[] = [
      ...containers.map(({ Id, Names: [name = Id], Labels }) => ({
        kind: "container" as const,
        name: name.replace(/^\//, ""),
        sessionId: Labels[label.session],
      })),
      ...networks.map(({ name, sessionId }) => ({ kind: "network" as const, name, sessionId })),
    ];
    const leftovers = found.filter(isOver);
    if (isDryRun) return leftovers;
    for (const { kind, name } of leftovers) if (kind === "container") await removeContainer(this.#engine, name);
    for (const id of new Set(leftovers.flatMap(({ sessionId }) => sessionId ?? []))) await this.sweep(id);
    await this.#networks.removeStrays();
    if (liveSessions.size === 0) await this.#release();
    return leftovers;
  }

  async close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    await this.#networks.drain();
    if (this.#live.size === 0) {
      await this.#proxy.release();
      await rm(this.#policies.folder, { recursive: true, force: true });
    }
    this.#proxy.close();
    this.#watch.close();
  }

  async #makePlaces(
    spec: PlaceSpec,
    { owner, bootstrap }: { owner: Owner; bootstrap: Bootstrap },
  ): Promise<HostPlaces> {
    const { sessionDir, runDir, workDir, privateHome } = spec;
    if (privateHome === undefined) throw new Error("a session in a container needs a home of its own");
    const socketDir = join(runDir, "c");
    const sidecarDir = this.sidecarDirOf(sessionDir);
    for (const folder of [socketDir, sidecarDir, privateHome]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await handOver(folder, owner);
    }
    const passwd = join(runDir, "passwd");
    const group = join(runDir, "group");
    await writeFile(passwd, `root:x:0:0::/root:/bin/sh\nagent:x:${owner.uid}:${owner.gid}::/home/agent:/bin/bash\n`);
    await writeFile(group, `root:x:0:\nagent:x:${owner.gid}:\n`);
    for (const file of [passwd, group]) await chmod(file, 0o644);
    const { authorities } = this.#options;
    const { keeperSocket, hostDoors, loginFile } = placeInContainer(spec);
    return {
      socketDir,
      sidecarDir,
      privateHome,
      workDir,
      passwd,
      group,
      authorities,
      keeperDir: bootstrap.model_door && dirname(keeperSocket.path),
      hostDoorsDir: bootstrap.host_doors && hostDoors?.path,
      loginDir: bootstrap.login_file && loginFile && dirname(loginFile.path),
    };
  }

  #handleOf(address: SidecarAddress, containerId: string): SidecarHandle {
    return {
      address,
      gone: this.#watch.gone(containerId).then(async (end) => {
        await this.#keepLog(address, containerId);
        return end;
      }),
      connect: () => connectToSocket(address.socket_path),
      destroy: async () => {
        await this.#keepLog(address, containerId);
        await removeContainer(this.#engine, containerId);
      },
    };
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

  async #release(): Promise<void> {
    if (this.#live.size > 0) return;
    await this.#networks.drain();
    await this.#proxy.release();
  }

  #use(sessionId: string): void {
    this.#live.add(sessionId);
    clearTimeout(this.#idleTimer);
  }

  #rest(): void {
    if (this.#live.size > 0) return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      this.#release().catch((error: unknown) => {
        this.#options.log("warn", `Cannot remove the proxy: ${messageOf(error)}`);
      });
    }, proxyIdleMs).unref();
  }
}

function ourselves(): Owner {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

/** Only root can give a folder away; anybody else runs containers as themselves. Never through a link. */
async function handOver(folder: string, { uid, gid }: Owner): Promise<void> {
  const found = await lstat(folder);
  if (!found.isDirectory()) throw new AgentdError("internal", `Cannot use "${folder}": it is not a folder. Remove it`);
  if (process.getuid?.() === 0 && (found.uid !== uid || found.gid !== gid)) await chown(folder, uid, gid);
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
