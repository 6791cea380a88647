/** What the engine is asked for a session's container. Pure; no secret is in it. */
import type Docker from "dockerode";
import type { ContainerSpec } from "../../protocol/container.ts";
import type { SessionNetwork } from "./networks.ts";
import type { Owner } from "./owner.ts";
import { inside } from "./places.ts";
import type { Furnished } from "./premises.ts";

export interface ContainerLimits {
  pids: number;
  /** Of each of the temporary places in memory. */
  scratchBytes: number;
}

export interface ContainerWish {
  name: string;
  labels: Record<string, string>;
  container: ContainerSpec;
  owner: Owner;
  network: SessionNetwork;
  furnished: Furnished;
  limits: ContainerLimits;
  stopSeconds: number;
}

export function containerOptions(wish: ContainerWish): Docker.ContainerCreateOptions {
  const { container, owner, network, limits } = wish;
  return {
    name: wish.name,
    Image: container.image,
    Labels: wish.labels,
    User: `${owner.uid}:${owner.gid}`,
    WorkingDir: inside.workDir,
    Env: [`PATH=${inside.path}`, `HOME=${inside.home}`],
    // The bootstrap with its secrets comes this way, and its answer.
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    StopSignal: "SIGTERM",
    StopTimeout: wish.stopSeconds,
    HostConfig: {
      NetworkMode: network.name,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges", ...container.security_opt],
      ReadonlyRootfs: true,
      Privileged: false,
      IpcMode: "private",
      PidsLimit: limits.pids,
      Memory: container.memory_bytes,
      // The same: memory that is used up is not to be found on the host's disk instead.
      MemorySwap: container.memory_bytes,
      NanoCpus: Math.round(container.cpus * 1e9),
      Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
      // The engine's own resolver would ask through the host's network for any name.
      Dns: ["127.0.0.1"],
      DnsOptions: ["timeout:1", "attempts:1"],
      RestartPolicy: { Name: "no" },
      LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "1" } },
      Tmpfs: temporaryPlaces(wish),
      Mounts: mounts(wish),
    },
    NetworkingConfig: { EndpointsConfig: { [network.name]: { IPAMConfig: { IPv4Address: network.subnet.agent } } } },
  };
}

function temporaryPlaces({ furnished, owner, limits }: ContainerWish): Record<string, string> {
  const options = `rw,nosuid,nodev,exec,size=${limits.scratchBytes}`;
  const hasWorkDir = furnished.mounts.some(({ Target }) => Target === inside.workDir);
  return {
    "/tmp": `${options},mode=1777`,
    "/var/tmp": `${options},mode=1777`,
    ...(hasWorkDir ? {} : { [inside.workDir]: `${options},uid=${owner.uid},gid=${owner.gid},mode=0700` }),
    ...furnished.temporary,
  };
}

function mounts({ furnished, container }: ContainerWish): Docker.MountSettings[] {
  return [
    ...furnished.mounts,
    ...container.mounts.map(({ type, source, target, read_only }) => ({
      Type: type,
      Source: source,
      Target: target,
      ReadOnly: read_only,
    })),
  ];
}
