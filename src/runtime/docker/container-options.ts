/** What the engine is asked for a session's container. Pure; no secret is in it. */
import type Docker from "dockerode";
import type { ContainerSpec } from "../../protocol/container.ts";
import type { SessionNetwork } from "./networks.ts";
import type { Owner } from "./owner.ts";
import { inside } from "./places.ts";

export interface ContainerLimits {
  pids: number;
  /** Of each of the temporary places in memory. */
  scratchBytes: number;
}

export interface HostPlaces {
  socketDir: string;
  sidecarDir: string;
  privateHome: string;
  /** Undefined: the work dir is a scratch place in memory. */
  workDir: string | undefined;
  /** `passwd` and `group` that name the container's user. */
  passwd: string;
  group: string;
  authorities: string | undefined;
  /** Folder of the key keeper's socket, when the session has one. */
  keeperDir: string | undefined;
  /** Folder of the sockets to services outside, when the session may use some. */
  hostDoorsDir: string | undefined;
  /** Folder of the login, when the session has one. */
  loginDir: string | undefined;
}

export interface ContainerWish {
  name: string;
  labels: Record<string, string>;
  container: ContainerSpec;
  owner: Owner;
  network: SessionNetwork;
  places: HostPlaces;
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

function temporaryPlaces({ places, owner, limits }: ContainerWish): Record<string, string> {
  const options = `rw,nosuid,nodev,exec,size=${limits.scratchBytes}`;
  return {
    "/tmp": `${options},mode=1777`,
    "/var/tmp": `${options},mode=1777`,
    ...(places.workDir === undefined
      ? { [inside.workDir]: `${options},uid=${owner.uid},gid=${owner.gid},mode=0700` }
      : {}),
  };
}

function mounts({ places, container }: ContainerWish): Docker.MountSettings[] {
  const bind = (Source: string, Target: string, ReadOnly = false): Docker.MountSettings => ({
    Type: "bind",
    Source,
    Target,
    ReadOnly,
  });
  return [
    bind(places.socketDir, inside.socketDir),
    bind(places.sidecarDir, inside.sessionDir),
    bind(places.privateHome, inside.home),
    ...(places.workDir === undefined ? [] : [bind(places.workDir, inside.workDir)]),
    bind(places.passwd, "/etc/passwd", true),
    bind(places.group, "/etc/group", true),
    ...(places.authorities === undefined ? [] : [bind(places.authorities, inside.authorities, true)]),
    // Nothing can be put in the socket's place; it can be connected to all the same.
    ...(places.keeperDir === undefined ? [] : [bind(places.keeperDir, inside.keeperDir, true)]),
    ...(places.hostDoorsDir === undefined ? [] : [bind(places.hostDoorsDir, inside.hostDoorsDir, true)]),
    ...(places.loginDir === undefined ? [] : [bind(places.loginDir, inside.loginDir, true)]),
    ...container.mounts.map(({ type, source, target, read_only }) => ({
      Type: type,
      Source: source,
      Target: target,
      ReadOnly: read_only,
    })),
  ];
}
