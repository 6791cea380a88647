/** Folders of this machine in a container of an engine on this machine: they are mounted, the sidecar's socket too. */
import { chmod, chown, lstat, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type Docker from "dockerode";
import { AgentdError } from "../../protocol/error.ts";
import { connectToSocket } from "../socket-door.ts";
import type { Authorities } from "./authorities.ts";
import type { Names } from "./names.ts";
import { type Owner, ownerOf } from "./owner.ts";
import { inside, placeInContainer } from "./places.ts";
import type { Furnished, Guest, Premises } from "./premises.ts";

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

export function mountedPremises(options: {
  names: Names;
  authorities: Authorities;
  /** Whom a container runs as where the work dir does not say. */
  user: Owner;
  sidecarDirOf(sessionDir: string): string;
}): Premises {
  return {
    ownerFor: (workDir) => ownerOf({ workDir, configured: options.user, daemon: ourselves() }),
    furnish: async (guest) => furnishedWith(await makePlaces(options, guest)),
    connect: ({ socket_path }) => connectToSocket(socket_path),
    // It was here all the time.
    retrieve: async () => undefined,
    clear: async () => undefined,
    list: async () => [],
  };
}

async function makePlaces(
  { names, authorities, sidecarDirOf }: Parameters<typeof mountedPremises>[0],
  { spec, bootstrap, owner, image }: Guest,
): Promise<HostPlaces> {
  const { sessionDir, runDir, workDir, privateHome } = spec;
  if (privateHome === undefined) throw new Error("a session in a container needs a home of its own");
  const socketDir = join(runDir, "c");
  const sidecarDir = sidecarDirOf(sessionDir);
  for (const folder of [socketDir, sidecarDir, privateHome]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await handOver(folder, owner);
  }
  const passwd = join(runDir, "passwd");
  const group = join(runDir, "group");
  await writeFile(passwd, `root:x:0:0::/root:/bin/sh\nagent:x:${owner.uid}:${owner.gid}::/home/agent:/bin/bash\n`);
  await writeFile(group, `root:x:0:\nagent:x:${owner.gid}:\n`);
  for (const file of [passwd, group]) await chmod(file, 0o644);
  const { keeperSocket, hostDoors, loginFile } = placeInContainer(spec);
  return {
    socketDir,
    sidecarDir,
    privateHome,
    workDir,
    passwd,
    group,
    authorities: await authorities.fileFor(image, names.labels("agent", bootstrap.session_id)),
    keeperDir: bootstrap.model_door && dirname(keeperSocket.path),
    hostDoorsDir: bootstrap.host_doors && hostDoors?.path,
    loginDir: bootstrap.login_file && loginFile && dirname(loginFile.path),
  };
}

/** Pure. */
export function furnishedWith(places: HostPlaces): Furnished {
  const bind = (Source: string, Target: string, ReadOnly = false): Docker.MountSettings => ({
    Type: "bind",
    Source,
    Target,
    ReadOnly,
  });
  return {
    mounts: [
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
    ],
    temporary: {},
    authorities: places.authorities && inside.authorities,
  };
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
