/** A network for each session: internal, without an address of the host on it, shared with the proxy alone. */
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { AgentdError, messageOf } from "../../protocol/error.ts";
import { type Engine, engineFault, isMissing } from "./engine.ts";
import { label, type Names } from "./names.ts";
import { overlaps, type Subnet, subnetOf, subnetsOf } from "./subnets.ts";

export interface SessionNetwork {
  name: string;
  subnet: Subnet;
}

/** Whoever else makes networks on this engine may be quicker: so many subnets are tried. */
const attemptsMax = 32;
const removalsMax = 20;
const removalEveryMs = 100;

export class Networks {
  readonly #engine: Engine;
  readonly #names: Names;
  readonly #range: string;
  /** Subnets that are being made into networks. */
  readonly #reserved = new Set<string>();
  /** Where the search goes on: addresses are not given out again at once. */
  #next = Math.floor(Math.random() * 0xffff);

  constructor(options: { engine: Engine; names: Names; range: string }) {
    this.#engine = options.engine;
    this.#names = options.names;
    this.#range = options.range;
  }

  async create(): Promise<SessionNetwork> {
    const taken = await this.#takenRanges();
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const subnet = this.#reserve(taken);
      const name = this.#names.ofNetwork(subnet.cidr);
      try {
        await this.#engine.createNetwork(networkOptions(name, subnet, this.#names.labels("session-network")));
        return { name, subnet };
      } catch (error) {
        if (!/overlaps|already allocated/i.test(messageOf(error)))
          throw engineFault(error, "make the session's network");
        taken.push(subnet.cidr);
      } finally {
        this.#reserved.delete(subnet.cidr);
      }
    }
    throw this.#exhausted();
  }

  isBeingMade({ subnet }: SessionNetwork): boolean {
    return this.#reserved.has(subnet.cidr);
  }

  /** All of this daemon's, and of those before it. */
  async list(): Promise<SessionNetwork[]> {
    try {
      const found = await this.#engine.listNetworks({ filters: { label: this.#names.filter("session-network") } });
      return found.flatMap(({ Name, Labels }) => {
        const cidr = Labels?.[label.subnet];
        return cidr === undefined ? [] : [{ name: Name, subnet: subnetOf(cidr) }];
      });
    } catch (error) {
      throw engineFault(error, "list the sessions' networks");
    }
  }

  /** Takes everything off the network and removes it; nothing when it is gone already. */
  async remove(network: SessionNetwork): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#tryRemove(network);
      } catch (error) {
        // What was connected or taken off a moment ago may count for a moment longer, and is in no list.
        if (attempt >= removalsMax || !/active endpoints/i.test(messageOf(error)))
          throw engineFault(error, `remove the network "${network.name}"`);
        await delay(removalEveryMs);
      }
    }
  }

  async #tryRemove({ name }: SessionNetwork): Promise<void> {
    const network = this.#engine.getNetwork(name);
    try {
      const { Containers } = (await network.inspect()) as Docker.NetworkInspectInfo;
      for (const id of Object.keys(Containers ?? {}))
        await network.disconnect({ Container: id, Force: true }).catch(ignoreMissing);
      await network.remove();
    } catch (error) {
      ignoreMissing(error);
    }
  }

  async #takenRanges(): Promise<string[]> {
    try {
      const all = await this.#engine.listNetworks();
      return all.flatMap(({ IPAM }) =>
        (IPAM?.Config ?? []).flatMap(({ Subnet: cidr }) => (cidr?.includes(".") ? [cidr] : [])),
      );
    } catch (error) {
      throw engineFault(error, "list the engine's networks");
    }
  }

  #reserve(taken: readonly string[]): Subnet {
    const { count, at } = subnetsOf(this.#range);
    const occupied = new Set(taken);
    for (let tried = 0; tried < count; tried++) {
      const subnet = at(this.#next++);
      if (this.#reserved.has(subnet.cidr) || occupied.has(subnet.cidr)) continue;
      if (taken.some((cidr) => overlaps(cidr, subnet.cidr))) continue;
      this.#reserved.add(subnet.cidr);
      return subnet;
    }
    throw this.#exhausted();
  }

  #exhausted(): AgentdError {
    return new AgentdError(
      "launch_failed",
      `Cannot make a network for the session: no subnet of "${this.#range}" is free. Name a larger range in docker.subnets`,
    );
  }
}

function networkOptions(name: string, subnet: Subnet, labels: Record<string, string>): Docker.NetworkCreateOptions {
  return {
    Name: name,
    Driver: "bridge",
    Internal: true,
    CheckDuplicate: true,
    // Without it the bridge has an address, and with it every service of the host is a neighbour of the agent's.
    Options: { "com.docker.network.bridge.inhibit_ipv4": "true" },
    IPAM: { Driver: "default", Config: [{ Subnet: subnet.cidr, Gateway: subnet.gateway }] },
    Labels: { ...labels, [label.subnet]: subnet.cidr },
  };
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error) && !/is not connected/i.test(messageOf(error))) throw error;
}
