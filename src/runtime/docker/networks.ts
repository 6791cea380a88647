/** A network for each session: internal, without an address of the host on it, shared with the proxy alone. */
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

  async create(sessionId: string): Promise<SessionNetwork> {
    const name = this.#names.ofSession(sessionId);
    const taken = await this.#takenRanges();
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const subnet = this.#reserve(taken);
      try {
        await this.#engine.createNetwork(
          networkOptions(name, subnet, this.#names.labels("session-network", sessionId)),
        );
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

  /** The session's network as an earlier daemon made it. */
  async find(sessionId: string): Promise<SessionNetwork | undefined> {
    const name = this.#names.ofSession(sessionId);
    try {
      const found: Docker.NetworkInspectInfo = await this.#engine.getNetwork(name).inspect();
      const cidr = found.Labels?.[label.subnet];
      return cidr === undefined ? undefined : { name, subnet: subnetOf(cidr) };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw engineFault(error, "look at the session's network");
    }
  }

  /** Takes everything off the network and removes it; nothing when it is gone already. */
  async remove(sessionId: string): Promise<void> {
    const network = this.#engine.getNetwork(this.#names.ofSession(sessionId));
    try {
      const { Containers } = (await network.inspect()) as Docker.NetworkInspectInfo;
      for (const id of Object.keys(Containers ?? {}))
        await network.disconnect({ Container: id, Force: true }).catch(ignoreMissing);
      await network.remove();
    } catch (error) {
      ignoreMissing(error);
    }
  }

  /** Ids of the sessions that have a network here. */
  async sessions(): Promise<string[]> {
    const found = await this.#engine.listNetworks({ filters: { label: this.#names.filter("session-network") } });
    return found.flatMap(({ Labels }) => Labels?.[label.session] ?? []);
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
