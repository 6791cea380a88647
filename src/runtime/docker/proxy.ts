/**
 * The one way out of all sessions' networks: a container with squid, made when the first session needs it, looked after
 * while one does, replaced when it dies, removed some time after the last. Until then it only waits: whoever comes looks at it first.
 */
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { AgentdError, messageOf } from "../../protocol/error.ts";
import { type Engine, engineFault, isMissing, missingImage, statusOf } from "./engine.ts";
import { EngineAway } from "./engine-away.ts";
import { InTurn } from "./in-turn.ts";
import { LogFollower } from "./log-follower.ts";
import type { Names } from "./names.ts";
import type { SessionNetwork } from "./networks.ts";
import type { Policies } from "./policies.ts";
import {
  checkProxyImage,
  execute,
  policiesInside,
  proxyOptions,
  seesWayOut,
  tailOf,
  wayOutInside,
} from "./proxy-container.ts";
import type { ProxyFolder, ProxyFolders } from "./proxy-folders.ts";
import type { WayOut } from "./way-out.ts";

export interface ProxyOptions {
  engine: Engine;
  names: Names;
  image: string;
  policies: Policies;
  wayOut: WayOut;
  folders: ProxyFolders;
  /** A network of the operator's to go out by; one of our own without it. */
  egressNetwork: string | undefined;
  /** Unix ms: what was denied before has been told. */
  deniedSince: number;
  /** Whether there is a session. */
  isNeeded(): boolean;
  onLine(line: string): void;
  /** One that no longer worked is replaced. */
  onReplaced(): void;
  log(level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

const startMs = 15_000;
const probeEveryMs = 100;
/** Of a proxy that runs; each has 5 s. */
const probesMax = 2;
const lookEveryMs = 5_000;

export const proxyPort = 3128;

export class EgressProxy {
  readonly #options: ProxyOptions;
  /** Networks of live sessions, and the proxy's address in each. */
  readonly #attached = new Map<string, string>();
  #ensuring: Promise<Docker.Container> | undefined;
  /** It is made, mended and removed by one at a time. */
  readonly #turn = new InTurn();
  #isReleasing = false;
  #follower: { id: string; follower: LogFollower } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #toldFault = "";
  /** Unix ms of its last good answer. */
  #workedAt = 0;

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  /** Puts a live proxy on the session's network. Rejects when there is none to be had: a session never starts without. */
  async attach(network: SessionNetwork): Promise<void> {
    const { name, subnet } = network;
    this.#attached.set(name, subnet.proxy);
    try {
      if (!(await this.#attachWorking(network))) await this.#connect((await this.#ensure()).id, name, subnet.proxy);
    } catch (error) {
      this.#attached.delete(name);
      throw engineFault(error, "put the proxy on the session's network");
    }
    this.#lookAfter();
  }

  /** The same. A network that it is on already needs only a look at it. */
  async secure(network: SessionNetwork): Promise<void> {
    if (!(this.#attached.has(network.name) && (await this.#isUp()))) await this.attach(network);
  }

  /** Spares the question whether it works, a program in its container, when it let one through a moment ago. */
  async #attachWorking({ name, subnet }: SessionNetwork): Promise<boolean> {
    const id = this.#follower?.id;
    if (id === undefined || !(await this.#isUp())) return false;
    try {
      await this.#connect(id, name, subnet.proxy);
      return true;
    } catch (error) {
      // It has gone since. Any other fault would come again.
      if (!isMissing(error)) throw error;
      return false;
    }
  }

  /**
   * It runs, nobody waits for it, and it let a request through a moment ago. One that has stood still since, and was not paused,
   * is found by the next look.
   */
  async #isUp(): Promise<boolean> {
    if (this.#ensuring || this.#isReleasing || Date.now() - this.#workedAt > 2 * lookEveryMs) return false;
    const found = await this.#options.engine
      .getContainer(this.#options.names.proxy)
      .inspect()
      .catch(() => undefined);
    // Of a container that is paused the engine says both.
    return found?.State.Running === true && !found.State.Paused && found.Id === this.#follower?.id;
  }

  /**
   * Another proxy to go out by, from the next tunnel on; those that are open stay. Rejects, with all as it was, when it does
   * not take that; resolves with what takes it back.
   */
  async changeUpstream(upstream: string | undefined): Promise<() => Promise<void>> {
    const { wayOut, engine, image } = this.#options;
    if (upstream !== undefined) await checkProxyImage(engine, image);
    // Whoever starts one meanwhile starts it with the one or the other.
    await this.#ensuring?.catch(() => undefined);
    const { isNew, undo } = await wayOut.change(upstream);
    if (!isNew) return async () => undefined;
    try {
      await this.#heedWayOut();
    } catch (error) {
      await undo();
      throw engineFault(error, "let the proxy go out by another one");
    }
    return async () => {
      await undo();
      await this.#heedWayOut();
    };
  }

  /** The file of the way out is another one. */
  async #heedWayOut(): Promise<void> {
    const { engine, names } = this.#options;
    try {
      const found = await engine.getContainer(names.proxy).inspect();
      if (!found.State.Running) return;
      // It is made anew at the next look, or by the next session.
      if (!seesWayOut(found)) await this.#turn.run(() => this.#remove());
      else await this.#alone(() => this.#readAnew(found.Id).then(() => engine.getContainer(found.Id)));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /** It refuses requests for a moment, until its two ports have found each other again. Checked first: a squid that cannot read its file ends. */
  async #readAnew(id: string): Promise<void> {
    for (const act of ["parse", "reconfigure"]) {
      const { code, said } = await execute(this.#options.engine, id, ["squid", "-k", act]);
      if (code !== 0) throw new Error(`squid -k ${act} ended with ${code}: ${said.slice(-500)}`);
    }
    await this.#untilWorking(id);
  }

  async #untilWorking(id: string): Promise<void> {
    const since = Date.now();
    while (!(await this.#isWorking(id))) {
      if (Date.now() - since > startMs) throw new Error(`it did not answer within ${startMs / 1000} s`);
      await delay(probeEveryMs);
    }
  }

  detach(networkName: string): void {
    this.#attached.delete(networkName);
  }

  /** Removes it when no session needs it. */
  async release(): Promise<void> {
    if (this.#attached.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#turn.run(async () => {
      // Whoever comes from here on waits for its turn, and makes another one.
      if (this.#attached.size > 0) return this.#lookAfter();
      this.#isReleasing = true;
      await this.#removeAll().finally(() => {
        this.#isReleasing = false;
      });
    });
  }

  async #removeAll(): Promise<void> {
    const { engine, names, egressNetwork, folders } = this.#options;
    await this.#remove();
    await folders.remove();
    if (egressNetwork === undefined) await engine.getNetwork(names.egressNetwork).remove().catch(ignoreMissing);
  }

  /** The daemon leaves; the proxy stays for the sessions that go on. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#follower?.follower.close();
  }

  #lookAfter(): void {
    this.#timer ??= setInterval(() => void this.#look(), lookEveryMs).unref();
  }

  async #look(): Promise<void> {
    if (this.#ensuring || this.#attached.size === 0 || this.#isClosed || !this.#options.isNeeded()) return;
    try {
      await this.#ensure();
      await this.#options.policies.settle();
      this.#toldFault = "";
    } catch (error) {
      const fault = messageOf(error);
      // Looked at every few seconds, and told once.
      if (fault === this.#toldFault) return;
      this.#toldFault = fault;
      this.#options.log(
        "error",
        `Cannot see to the proxy: ${fault}. Until that is mended sessions may have no way out, or the lists of before`,
      );
    }
  }

  /** A running proxy that lets requests through both its ports; callers at the same time share the work. */
  #ensure(): Promise<Docker.Container> {
    return this.#ensuring ?? this.#alone(() => this.#find());
  }

  /** While this goes on nobody else judges whether the proxy works: whoever needs it waits for this. */
  #alone(work: () => Promise<Docker.Container>): Promise<Docker.Container> {
    const ensuring = this.#turn.run(work).finally(() => {
      if (this.#ensuring === ensuring) this.#ensuring = undefined;
    });
    this.#ensuring = ensuring;
    return ensuring;
  }

  async #find(): Promise<Docker.Container> {
    const { engine, names, log } = this.#options;
    const container = engine.getContainer(names.proxy);
    try {
      const found = await container.inspect();
      const { Id, State } = found;
      const isOfUse = seesWayOut(found) || !this.#options.wayOut.hasUpstream;
      if (State.Running && isOfUse && (await this.#answersInTime(Id))) {
        // What an earlier daemon was told may have been something else.
        if (seesWayOut(found) && (await this.#options.wayOut.write())) await this.#readAnew(Id);
        await this.#takeOver(Id);
        return engine.getContainer(Id);
      }
      log("warn", "the proxy does not work and is replaced", { status: State.Status, exit_code: State.ExitCode });
      this.#options.onReplaced();
      await this.#remove();
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    return this.#start();
  }

  async #start(): Promise<Docker.Container> {
    const { engine, names, image, policies, wayOut } = this.#options;
    await policies.open();
    await wayOut.write();
    if (wayOut.hasUpstream) await checkProxyImage(engine, image);
    const network = this.#options.egressNetwork ?? (await this.#ownNetwork());
    const startedAt = Date.now();
    let container: Docker.Container;
    try {
      container = await engine.createContainer(
        proxyOptions({
          name: names.proxy,
          labels: names.labels("proxy"),
          image,
          network,
          mounts: await this.#options.folders.mounts(this.#seen),
        }),
      );
    } catch (error) {
      if (isMissing(error) && /no such image/i.test(messageOf(error))) throw missingImage(image, "start the proxy");
      throw engineFault(error, "make the proxy's container");
    }
    try {
      await this.#options.folders.fill(container, this.#seen);
      await container.start();
      for (const [name, address] of this.#attached) await this.#connect(container.id, name, address);
      await this.#untilWorking(container.id);
    } catch (error) {
      const said = await tailOf(container);
      await container.remove({ force: true, v: true }).catch(ignoreMissing);
      throw new AgentdError(
        "launch_failed",
        `Cannot start the proxy: ${messageOf(error)}.${said ? ` It said: ${said}` : ""}`,
        {
          cause: error,
        },
      );
    }
    this.#follow(container.id, this.#followerOf(container.id, startedAt));
    return container;
  }

  get #seen(): ProxyFolder[] {
    const { policies, wayOut } = this.#options;
    return [
      { folder: policies.folder, target: policiesInside },
      { folder: wayOut.folder, target: wayOutInside },
    ];
  }

  async #ownNetwork(): Promise<string> {
    const { engine, names } = this.#options;
    try {
      await engine.getNetwork(names.egressNetwork).inspect();
    } catch (error) {
      if (!isMissing(error)) throw error;
      await engine.createNetwork({
        Name: names.egressNetwork,
        Driver: "bridge",
        CheckDuplicate: true,
        Labels: names.labels("egress-network"),
      });
    }
    return names.egressNetwork;
  }

  async #connect(id: string, network: string, address: string): Promise<void> {
    try {
      await this.#options.engine
        .getNetwork(network)
        .connect({ Container: id, EndpointConfig: { IPAMConfig: { IPv4Address: address } } });
    } catch (error) {
      const isThere = statusOf(error) === 403 || /already exists|already attached/i.test(messageOf(error));
      // A session that has ended meanwhile took its network with it.
      if (!isThere && !(isMissing(error) && !this.#attached.has(network))) throw error;
    }
  }

  /** One late answer is no death: what replaces the proxy cuts every tunnel. */
  async #answersInTime(id: string): Promise<boolean> {
    for (let attempt = 0; attempt < probesMax; attempt++) if (await this.#isWorking(id)) return true;
    return false;
  }

  async #isWorking(id: string): Promise<boolean> {
    try {
      const isGood = (await execute(this.#options.engine, id, ["perl", "/opt/agentruntime/probe.pl"])).code === 0;
      if (isGood) this.#workedAt = Date.now();
      return isGood;
    } catch (error) {
      // That says nothing about the proxy, and to replace it would cut every tunnel.
      if (error instanceof EngineAway) throw error;
      return false;
    }
  }

  /** What it said while no daemon listened is told before anything else happens to the sessions. */
  async #takeOver(id: string): Promise<void> {
    if (this.#follower?.id === id) return;
    const follower = this.#followerOf(id, this.#options.deniedSince);
    await follower.catchUp();
    this.#follow(id, follower);
  }

  #followerOf(containerId: string, since: number): LogFollower {
    const { engine, onLine } = this.#options;
    return new LogFollower({ engine, containerId, since, onLine });
  }

  #follow(id: string, follower: LogFollower): void {
    this.#follower?.follower.close();
    this.#follower = { id, follower };
    follower.begin();
  }

  async #remove(): Promise<void> {
    const { engine, names } = this.#options;
    this.#follower?.follower.close();
    this.#follower = undefined;
    const container = engine.getContainer(names.proxy);
    try {
      await container.remove({ force: true, v: true });
    } catch (error) {
      if (isMissing(error)) return;
      // Its removal is under way: until it is over, its name is taken.
      if (statusOf(error) !== 409) throw error;
      await container.wait({ condition: "removed" }).catch(ignoreMissing);
    }
  }
}

function ignoreMissing(error: unknown): void {
  // 409: its removal is under way already.
  if (!isMissing(error) && statusOf(error) !== 409) throw error;
}
