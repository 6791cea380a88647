/**
 * Folders of this machine in a container of an engine on another one, which sees none of them: they are copied into volumes,
 * and out again when the container has ended. A container that is never started stands for the volumes while it is copied.
 */
import { randomUUID } from "node:crypto";
import { readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import { type Pack, pack } from "tar-stream";
import { AgentdError, errnoOf, messageOf } from "../../protocol/error.ts";
import type { Authorities } from "./authorities.ts";
import { bringBack, type Copied, copiedOf, freshFolder } from "./bring-back.ts";
import {
  type CopyRecord,
  type Place,
  placesOf,
  readCopyRecord,
  removeCopyRecord,
  writeCopyRecord,
} from "./copy-record.ts";
import { type Engine, engineFault, isMissing } from "./engine.ts";
import { isAway } from "./engine-away.ts";
import { connectByExec } from "./exec-door.ts";
import { FolderTurns } from "./folder-turns.ts";
import { label, type Names } from "./names.ts";
import type { Owner } from "./owner.ts";
import { inside } from "./places.ts";
import type { Furnished, Guest, Premises } from "./premises.ts";
import { type Packed, packTree, stagingIn, unpackTree } from "./tree-archive.ts";

export interface CopiedOptions {
  engine: Engine;
  names: Names;
  authorities: Authorities;
  user: Owner;
  /** Of what a work dir or a home may hold. */
  bytesMax: number;
  /** The image that the containers stand for the volumes of. */
  image: string;
  sidecarDirOf(sessionDir: string): string;
  sessionDirOf(sessionId: string): string;
  log(level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

const places = { box: inside.sessionDir, home: inside.home, work: inside.workDir } as const satisfies Record<
  Place,
  string
>;

const entriesMax = 200_000;
/** Of what comes back, which nobody could look through before: building makes many files of few. */
const entriesBackMax = 1_000_000;
const authoritiesName = "authorities.pem";

export function copiedPremises(options: CopiedOptions): Premises {
  return new CopiedPremises(options);
}

class CopiedPremises implements Premises {
  readonly #options: CopiedOptions;
  /** Of those that come back now. */
  readonly #retrieving = new Map<string, Promise<void>>();
  /** Two ways back at a time would take each other's files for somebody's, and a copy would be of something half done. */
  readonly #turns: FolderTurns;

  constructor(options: CopiedOptions) {
    this.#options = options;
    this.#turns = new FolderTurns(options.names.daemon);
  }

  /** What is copied is copied when its session is there. */
  readonly prepare = undefined;

  /** What the daemon sees can be copied. */
  async admit(): Promise<void> {}

  /** Files have the owner that they have here; over there nobody else is. */
  async ownerFor(): Promise<Owner> {
    return this.#options.user;
  }

  async furnish(guest: Guest): Promise<Furnished> {
    const { spec, owner } = guest;
    const { names } = this.#options;
    const wanted = placesOf(spec.workDir);
    const token = randomUUID();
    const { sessionDir, workDir, privateHome } = spec;
    if (privateHome === undefined) throw new Error("a session in a container needs a home of its own");
    await this.#refuseUnreturned(spec.sessionId, privateHome);
    const record: CopyRecord = { token, work_dir: workDir ?? null, home: privateHome, copied: [], waiting: [] };
    await writeCopyRecord(sessionDir, record);
    for (const place of wanted) {
      await this.#options.engine.createVolume({
        Name: names.ofVolume(spec.sessionId, place),
        Labels: {
          ...names.labels("session-volume", spec.sessionId),
          [label.sessionDir]: spec.sessionDir,
          [label.token]: token,
        },
      });
    }
    const { copied, authorities } = await this.#copyIn(guest, { wanted, privateHome });
    await writeCopyRecord(sessionDir, { ...record, copied, waiting: wanted });
    return {
      mounts: wanted.map((place) => ({
        Type: "volume",
        Source: names.ofVolume(spec.sessionId, place),
        Target: places[place],
        ReadOnly: false,
        VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: "", Options: {} } },
      })),
      temporary: {
        [inside.socketDir]: `rw,nosuid,nodev,noexec,size=1m,uid=${owner.uid},gid=${owner.gid},mode=0700`,
      },
      authorities,
    };
  }

  connect(_: unknown, containerId: string) {
    return connectByExec(this.#options.engine, { containerId, socketPath: `${inside.socketDir}/s` });
  }

  retrieve(sessionId: string): Promise<void> {
    const under = this.#retrieving.get(sessionId);
    if (under) return under;
    const retrieving = this.#retrieve(sessionId).finally(() => this.#retrieving.delete(sessionId));
    this.#retrieving.set(sessionId, retrieving);
    return retrieving;
  }

  /** Only what is known here to have come back: of any other volume nobody can tell what it holds. */
  async clear(sessionId: string): Promise<void> {
    const { engine, names, log, sessionDirOf } = this.#options;
    const record = await readCopyRecord(sessionDirOf(sessionId));
    const waiting = new Set(record?.waiting.map((place) => names.ofVolume(sessionId, place)));
    const isBack = ({ Name, Labels }: Docker.VolumeInspectInfo) =>
      record !== undefined && Labels?.[label.token] === record.token && !waiting.has(Name);
    const volumes = await this.#volumes(sessionId);
    for (const { Name } of volumes.filter(isBack)) await engine.getVolume(Name).remove().catch(ignoreMissing);
    const kept = volumes.filter((volume) => !isBack(volume)).map(({ Name }) => Name);
    if (kept.length === 0) return await removeCopyRecord(sessionDirOf(sessionId));
    // Of those that wait it is known, and told where it failed.
    const unknown = kept.filter((name) => !waiting.has(name));
    if (unknown.length === 0) return;
    log(
      "warn",
      `Keeps the volumes of session "${sessionId}" on the engine: nothing here says that what is in them came back. Look into them, then remove them with "docker volume rm ${unknown.join(" ")}"`,
    );
  }

  async list(): Promise<{ name: string; sessionId: string | undefined }[]> {
    return (await this.#volumes()).map(({ Name, Labels }) => ({ name: Name, sessionId: Labels?.[label.session] }));
  }

  /** What is not back yet would be worked on in two places, and what comes back last would be all that is left. */
  async #refuseUnreturned(sessionId: string, home: string): Promise<void> {
    const ids = new Set((await this.#volumes()).flatMap(({ Labels }) => Labels?.[label.session] ?? []));
    for (const id of ids) {
      const record = await readCopyRecord(this.#options.sessionDirOf(id));
      if (id !== sessionId && !(record?.home === home && record.waiting.includes("home"))) continue;
      throw new AgentdError(
        "launch_failed",
        `Cannot start session "${sessionId}": what session "${id}" did is still in its volumes on the engine. Run "agentd gc", which brings it back or says why it cannot, then try again`,
      );
    }
  }

  /** Resolves with what was in the work dir, and what the file of authorities is called inside. */
  async #copyIn(
    { spec, owner, image, bootstrap }: Guest,
    { wanted, privateHome }: { wanted: readonly Place[]; privateHome: string },
  ): Promise<{ copied: Copied; authorities: string | undefined }> {
    const { workDir } = spec;
    const file = await this.#options.authorities.fileFor(
      image,
      this.#options.names.labels("agent", bootstrap.session_id),
    );
    const copied: Copied = [];
    await this.#withVolumes(spec.sessionId, wanted, async (container) => {
      await put(container, "/", await skeleton(wanted, owner, file));
      const limits = { entries: entriesMax, bytes: this.#options.bytesMax };
      const here = async (folder: string) => ({ owner: await stat(folder), inside: owner, limits });
      await put(
        container,
        at("home"),
        packTree(privateHome, { ...(await here(privateHome)), onEntry: () => undefined }),
      );
      if (workDir === undefined) return;
      const onEntry = (entry: Packed) => copied.push(copiedOf(entry));
      await this.#turns.read(workDir, async () =>
        put(container, at("work"), packTree(workDir, { ...(await here(workDir)), onEntry })),
      );
    });
    return { copied, authorities: file && `${inside.sessionDir}/${authoritiesName}` };
  }

  /** Each place by itself: what is wrong with one keeps no other away. */
  async #retrieve(sessionId: string): Promise<void> {
    const sessionDir = this.#options.sessionDirOf(sessionId);
    const record = await readCopyRecord(sessionDir);
    if (!record || record.waiting.length === 0) return;
    const there = await this.#surviving(sessionId, record);
    let { waiting } = record;
    const done = async (places: readonly Place[]) => {
      waiting = waiting.filter((place) => !places.includes(place));
      await writeCopyRecord(sessionDir, { ...record, waiting });
    };
    const lost = waiting.filter((place) => !there.includes(place));
    if (lost.length > 0) {
      const message = `Cannot bring back all that session "${sessionId}" did: its volumes (${lost.join(", ")}) are gone from the engine, and what was in them is lost`;
      this.#options.log("error", message, { session_id: sessionId });
      await done(lost);
    }
    if (there.length === 0) return;
    const faults: { place: Place; error: unknown }[] = [];
    await this.#withVolumes(sessionId, there, async (container) => {
      for (const place of there) {
        try {
          await this.#bring(container, place, { sessionId, sessionDir, record });
          await done([place]);
        } catch (error) {
          faults.push({ place, error });
        }
      }
    });
    if (faults.length > 0)
      throw new Error(
        `${faults.map(({ place, error }) => `${place}: ${messageOf(error)}`).join("; ")}. What did not come stays in its volumes on the engine; "agentd gc" tries again`,
        { cause: faults.map(({ error }) => error).find(isAway) ?? faults[0]?.error },
      );
  }

  /** A volume that was made anew says nothing of what was in the one before. */
  async #surviving(sessionId: string, { token, waiting }: CopyRecord): Promise<Place[]> {
    const volumes = await this.#volumes(sessionId);
    const known = new Set(volumes.flatMap(({ Name, Labels }) => (Labels?.[label.token] === token ? [Name] : [])));
    return waiting.filter((place) => known.has(this.#options.names.ofVolume(sessionId, place)));
  }

  async #bring(
    container: Docker.Container,
    place: Place,
    { sessionId, sessionDir, record }: { sessionId: string; sessionDir: string; record: CopyRecord },
  ): Promise<void> {
    const { work_dir: folder, home } = record;
    if (place === "box") return await this.#replace(container, place, this.#options.sidecarDirOf(sessionDir));
    if (place === "home") return await this.#replace(container, place, home);
    if (folder !== null) await this.#turns.change(folder, () => this.#merge(container, { sessionId, folder, record }));
  }

  /** A folder that is the session's alone. */
  async #replace(container: Docker.Container, place: Place, folder: string): Promise<void> {
    const staging = await freshFolder(`${folder}.new`);
    await this.#unpack(container, place, { staging, owner: undefined });
    if (place === "box") await rm(join(staging, authoritiesName), { force: true });
    await rm(folder, { recursive: true, force: true });
    await rename(staging, folder);
  }

  async #merge(
    container: Docker.Container,
    { sessionId, folder, record }: { sessionId: string; folder: string; record: CopyRecord },
  ): Promise<void> {
    // Below it, so that it is the same file system. A way back that was cut short has left the same one, and no other has it.
    const staging = await freshFolder(stagingIn(folder, record.token));
    try {
      const { uid, gid } = await stat(folder);
      await this.#unpack(container, "work", { staging, owner: process.getuid?.() === 0 ? { uid, gid } : undefined });
      const { conflicts } = await bringBack({ staging, folder, copied: record.copied, mark: sessionId });
      for (const path of conflicts)
        this.#options.log(
          "warn",
          `Session "${sessionId}" and somebody here changed the same file: the session's lies beside it as "${path}"`,
        );
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }

  async #unpack(
    container: Docker.Container,
    place: Place,
    { staging, owner }: { staging: string; owner: Owner | undefined },
  ): Promise<void> {
    const archive = await container.getArchive({ path: at(place) });
    await unpackTree(archive, staging, {
      limits: { entries: entriesBackMax, bytes: this.#options.bytesMax },
      inside: this.#options.user,
      owner,
    });
  }

  async #withVolumes(
    sessionId: string,
    wanted: readonly Place[],
    act: (container: Docker.Container) => Promise<void>,
  ): Promise<void> {
    const { engine, names, image } = this.#options;
    const container = await engine.createContainer({
      Image: image,
      Labels: names.labels("agent", sessionId),
      HostConfig: {
        NetworkMode: "none",
        Mounts: wanted.map((place) => ({
          Type: "volume",
          Source: names.ofVolume(sessionId, place),
          Target: at(place),
          ReadOnly: false,
          VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: "", Options: {} } },
        })),
      },
    });
    try {
      await act(container);
    } finally {
      // With the volumes that its image declares: those of the session have names, and stay.
      await container.remove({ force: true, v: true }).catch(ignoreMissing);
    }
  }

  async #volumes(sessionId?: string): Promise<Docker.VolumeInspectInfo[]> {
    const { engine, names } = this.#options;
    try {
      const { Volumes } = await engine.listVolumes({
        filters: { label: names.filter("session-volume", sessionId) },
      });
      return Volumes ?? [];
    } catch (error) {
      throw engineFault(error, "list the volumes of sessions");
    }
  }
}

/** Where a volume lies in the containers that stand for them. */
function at(place: Place): string {
  return `/agentruntime/${place}`;
}

/** The places themselves, as their user's. */
async function skeleton(wanted: readonly Place[], owner: Owner, authorities: string | undefined): Promise<Pack> {
  const archive = pack();
  for (const place of wanted)
    archive.entry({ name: at(place).slice(1), type: "directory", mode: place === "work" ? 0o755 : 0o700, ...owner });
  if (authorities !== undefined)
    archive.entry(
      { name: `${at("box").slice(1)}/${authoritiesName}`, mode: 0o644, uid: 0, gid: 0 },
      await readFile(authorities),
    );
  archive.finalize();
  return archive;
}

async function put(container: Docker.Container, path: string, archive: Pack): Promise<void> {
  try {
    await container.putArchive(archive, { path });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new AgentdError("launch_failed", `Cannot copy a folder to the engine: ${messageOf(error)}`, { cause: error });
  }
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
