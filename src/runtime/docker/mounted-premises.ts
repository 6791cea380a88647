/** Folders of this machine in a container of an engine on this machine: they are mounted, the sidecar's socket too. */
import { randomBytes } from "node:crypto";
import { chmod, chown, lstat, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type Docker from "dockerode";
import { AgentdError } from "../../protocol/error.ts";
import type { PlaceSpec } from "../runtime.ts";
import { connectToSocket } from "../socket-door.ts";
import type { Authorities } from "./authorities.ts";
import type { EngineAddress } from "./engine-address.ts";
import type { Names } from "./names.ts";
import { refuseUnseen } from "./outer-engine.ts";
import { type Owner, ownerOf } from "./owner.ts";
import { inside, placeInContainer } from "./places.ts";
import type { Furnished, Guest, Premises, Prepared, Prospect } from "./premises.ts";

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

export interface MountedOptions {
  names: Names;
  authorities: Authorities;
  /** Whom a container runs as where the work dir does not say. */
  user: Owner;
  sidecarDirOf(sessionDir: string): string;
  /** Of the engine. */
  address: EngineAddress;
  /** For the folders of containers that wait, where sessions' folders are. */
  readyDir: string;
}

export function mountedPremises(options: MountedOptions): Premises {
  return {
    admit: (folders) => refuseUnseen(folders, options.address),
    ownerFor: (workDir) => ownerOf({ workDir, configured: options.user, daemon: ourselves() }),
    furnish: async (guest) => furnishedWith(await makePlaces(options, guest)),
    prepare: (prospect) => preparedPlaces(options, prospect),
    connect: ({ socket_path }) => connectToSocket(socket_path),
    // It was here all the time.
    retrieve: async () => undefined,
    clear: async () => undefined,
    list: async () => [],
  };
}

/** What is moved, since it is the session's alone. */
type OwnPlaces = Pick<HostPlaces, "socketDir" | "sidecarDir" | "privateHome" | "passwd" | "group">;

function ownPlaces({ sidecarDirOf }: MountedOptions, { sessionDir, runDir, privateHome }: PlaceSpec): OwnPlaces {
  if (privateHome === undefined) throw new Error("a session in a container needs a home of its own");
  return {
    socketDir: join(runDir, "c"),
    sidecarDir: sidecarDirOf(sessionDir),
    privateHome,
    passwd: join(runDir, "passwd"),
    group: join(runDir, "group"),
  };
}

async function makeOwnPlaces(places: OwnPlaces, owner: Owner): Promise<void> {
  const { socketDir, sidecarDir, privateHome, passwd, group } = places;
  for (const folder of [socketDir, sidecarDir, privateHome]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await handOver(folder, owner);
  }
  await writeFile(passwd, `root:x:0:0::/root:/bin/sh\nagent:x:${owner.uid}:${owner.gid}::/home/agent:/bin/bash\n`);
  await writeFile(group, `root:x:0:\nagent:x:${owner.gid}:\n`);
  for (const file of [passwd, group]) await chmod(file, 0o644);
}

async function makePlaces(options: MountedOptions, { spec, bootstrap, owner, image }: Guest): Promise<HostPlaces> {
  const own = ownPlaces(options, spec);
  await makeOwnPlaces(own, owner);
  const { keeperSocket, hostDoors, loginFile } = placeInContainer(spec);
  return {
    ...own,
    workDir: spec.workDir,
    authorities: await options.authorities.fileFor(image, options.names.labels("agent", bootstrap.session_id)),
    keeperDir: bootstrap.model_door && dirname(keeperSocket.path),
    hostDoorsDir: bootstrap.host_doors && hostDoors?.path,
    loginDir: bootstrap.login_file && loginFile && dirname(loginFile.path),
  };
}

/** A mount holds the folder, whatever that is called: it is moved to the session's place under the container that waits. */
async function preparedPlaces(options: MountedOptions, prospect: Prospect): Promise<Prepared> {
  const token = randomBytes(6).toString("hex");
  // Each beside where it is moved to: on one file system.
  const dataRoom = join(options.readyDir, token);
  const runRoom = join(prospect.runRoot, `ready-${token}`);
  const places: OwnPlaces = {
    socketDir: join(runRoom, "c"),
    sidecarDir: join(dataRoom, "box"),
    privateHome: join(dataRoom, "home"),
    passwd: join(runRoom, "passwd"),
    group: join(runRoom, "group"),
  };
  const rooms = [dataRoom, runRoom];
  /** Until the sidecar has answered these are the container's that waited, and go with it. */
  const moved: string[] = [];
  const removeRooms = () => Promise.all(rooms.map((room) => rm(room, { recursive: true, force: true })));
  const remove = async () => {
    // Once only: by a next try the session may have folders of its own making there.
    for (const path of moved.splice(0)) await rm(path, { recursive: true, force: true });
    await removeRooms();
  };
  try {
    for (const room of rooms) await mkdir(room, { recursive: true, mode: 0o700 });
    await makeOwnPlaces(places, prospect.owner);
  } catch (error) {
    await remove();
    throw error;
  }
  const { workDir, authorities } = prospect;
  const others = { keeperDir: undefined, hostDoorsDir: undefined, loginDir: undefined };
  return {
    furnished: furnishedWith({ ...places, workDir, authorities, ...others }),
    moveTo: async (spec) => {
      const wanted = ownPlaces(options, spec);
      await mkdir(dirname(wanted.privateHome), { recursive: true, mode: 0o700 });
      // One that is there and not empty is somebody's, such as the home of a conversation that goes on: this rejects.
      for (const key of ["privateHome", "sidecarDir", "socketDir", "passwd", "group"] as const) {
        await rename(places[key], wanted[key]);
        moved.push(wanted[key]);
      }
      await removeRooms();
    },
    remove,
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
