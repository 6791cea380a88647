/**
 * Which session has which network. A few networks are kept ready with the proxy on them: making one and connecting the
 * proxy is half of what a session's start costs. Whose a network is stands in the policy of its address, on disk.
 */
import type { EgressPolicy } from "../../protocol/egress.ts";
import { messageOf } from "../../protocol/error.ts";
import type { Networks, SessionNetwork } from "./networks.ts";
import type { Policies, StagedPolicies } from "./policies.ts";
import type { EgressProxy } from "./proxy.ts";
import type { Removals } from "./removals.ts";

export interface SessionNetworksOptions {
  networks: Networks;
  policies: Policies;
  proxy: EgressProxy;
  log(level: "warn", message: string): void;
}

/** Kept while sessions come; the proxy's end takes them along. */
const readyMax = 2;
const quietMs = 500;

export class SessionNetworks {
  readonly #options: SessionNetworksOptions;
  readonly #bySession = new Map<string, SessionNetwork>();
  readonly #ready: SessionNetwork[] = [];
  /** By their names, all that were made here. */
  readonly #own = new Map<string, SessionNetwork>();
  #filling: Promise<void> | undefined;
  #isFilling = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SessionNetworksOptions) {
    this.#options = options;
  }

  /** A network of this session's alone. The proxy may not be on it yet: see `guard`. */
  async take(sessionId: string): Promise<SessionNetwork> {
    const network = this.#ready.shift() ?? (await this.#create());
    this.assign(sessionId, network);
    return network;
  }

  /** One that is no session's yet, with the proxy on it: nothing gets through there before it is, since it has no policy. */
  async spare(): Promise<SessionNetwork> {
    return this.#ready.shift() ?? (await this.#make());
  }

  assign(sessionId: string, network: SessionNetwork): void {
    this.#bySession.set(sessionId, network);
  }

  /** A spare one that became no session's, or is not to be the one that it was assigned to. */
  async discard(network: SessionNetwork): Promise<void> {
    for (const [sessionId, assigned] of this.#bySession) if (assigned === network) this.#bySession.delete(sessionId);
    if (this.#isAnothers(network)) return;
    try {
      await this.#options.policies.remove(network.subnet.agent);
    } finally {
      await this.#remove(network);
    }
  }

  /** Resolves when a working proxy is on the session's network, and its policy in force. */
  async guard(sessionId: string, network: SessionNetwork, policy: EgressPolicy): Promise<void> {
    const { policies, proxy } = this.#options;
    // Both are waited for, also when one fails: a policy that is written behind a sweep would be nobody's.
    const parts = [policies.write(network.subnet.agent, sessionId, policy), proxy.secure(network)];
    await Promise.allSettled(parts);
    await Promise.all(parts);
  }

  /**
   * The network of a session that an earlier daemon started, with the proxy on it. Where no policy says which it is, it is the one
   * of ours in which its container is: until it has a policy, the proxy lets nothing through from there.
   */
  async recover(sessionId: string, networksOfContainer: readonly string[]): Promise<SessionNetwork | undefined> {
    const network = (await this.#find(sessionId)) ?? (await this.#findByName(sessionId, networksOfContainer));
    if (network) await this.#options.proxy.attach(network);
    return network;
  }

  /** Other policies for those of these sessions that are there. */
  async stage(wanted: ReadonlyMap<string, EgressPolicy>): Promise<StagedPolicies> {
    const found = [];
    for (const [sessionId, policy] of wanted) {
      const network = await this.#find(sessionId);
      if (network) found.push({ address: network.subnet.agent, sessionId, policy });
    }
    return this.#options.policies.stage(found);
  }

  async close(sessionId: string): Promise<void> {
    const network = await this.#find(sessionId);
    if (!network) return;
    if (!this.#isAnothers(network)) {
      await this.#options.policies.remove(network.subnet.agent);
      await this.#remove(network);
    }
    this.#bySession.delete(sessionId);
  }

  /** Those of sessions, and those that are nobody's; those that are ready for the next session are neither. */
  async list(): Promise<(SessionNetwork & { sessionId: string | undefined })[]> {
    const { networks, policies } = this.#options;
    const [all, owners] = await Promise.all([networks.list(), policies.owners()]);
    const found = new Map([...this.#bySession].map(([sessionId, { name }]) => [name, sessionId]));
    return all.flatMap((network) => {
      const sessionId = owners.get(network.subnet.agent) ?? found.get(network.name);
      const isOurs = this.#own.has(network.name) || networks.isBeingMade(network);
      return sessionId === undefined && isOurs ? [] : [{ ...network, sessionId }];
    });
  }

  /** What is nobody's, policies without a network among it. */
  async removeStrays(removals: Removals): Promise<void> {
    const { networks, policies } = this.#options;
    const strays = (await this.list()).filter(({ sessionId }) => sessionId === undefined);
    for (const network of strays) if (!this.#isAnothers(network)) await removals.try(() => this.#remove(network));
    // In this order: a policy is written when its network is there.
    const owners = await policies.owners();
    const addresses = new Set((await networks.list()).map(({ subnet }) => subnet.agent));
    for (const address of owners.keys())
      if (!addresses.has(address)) await removals.try(() => policies.remove(address));
  }

  /** In the background, once no session has been started for a moment: none is to wait for it. */
  fill(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(), quietMs).unref();
  }

  #begin(): void {
    this.#isFilling = true;
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
  }

  /** Ready ones go. One that cannot be removed keeps nobody waiting: a sweep takes it away, or the next start of the daemon. */
  async drain(): Promise<void> {
    clearTimeout(this.#timer);
    this.#isFilling = false;
    await this.#filling;
    for (const network of this.#ready.splice(0)) {
      try {
        await this.#remove(network);
      } catch (error) {
        this.#options.log("warn", messageOf(error));
      }
    }
  }

  async #fill(): Promise<void> {
    while (this.#isFilling && this.#ready.length < readyMax) {
      try {
        this.#ready.push(await this.#make());
      } catch (error) {
        // The next session makes its own, and says what is wrong.
        this.#options.log("warn", `Cannot keep a network ready: ${messageOf(error)}`);
        return;
      }
    }
  }

  async #make(): Promise<SessionNetwork> {
    const network = await this.#create();
    try {
      await this.#options.proxy.attach(network);
    } catch (error) {
      await this.#remove(network).catch(() => undefined);
      throw error;
    }
    return network;
  }

  async #create(): Promise<SessionNetwork> {
    const network = await this.#options.networks.create();
    this.#own.set(network.name, network);
    return network;
  }

  async #find(sessionId: string): Promise<SessionNetwork | undefined> {
    const known = this.#bySession.get(sessionId);
    if (known) return known;
    const owners = await this.#options.policies.owners();
    const address = [...owners].find(([, owner]) => owner === sessionId)?.[0];
    if (address === undefined) return undefined;
    const found = (await this.#options.networks.list()).find(({ subnet }) => subnet.agent === address);
    if (found) this.#bySession.set(sessionId, found);
    return found;
  }

  async #findByName(sessionId: string, names: readonly string[]): Promise<SessionNetwork | undefined> {
    const found = (await this.#options.networks.list()).find(({ name }) => names.includes(name));
    if (found) this.#bySession.set(sessionId, found);
    return found;
  }

  /** It was removed, though nobody heard of that, and its addresses and so its name were given out again. */
  #isAnothers(network: SessionNetwork): boolean {
    const own = this.#own.get(network.name);
    return own === undefined ? this.#options.networks.isBeingMade(network) : own !== network;
  }

  async #remove(network: SessionNetwork): Promise<void> {
    this.#options.proxy.detach(network.name);
    try {
      await this.#options.networks.remove(network);
    } finally {
      // One that could not be removed is found as anybody's leftover: else it would be hidden as long as this daemon lives.
      this.#own.delete(network.name);
    }
  }
}
