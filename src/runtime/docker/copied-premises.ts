/**
 * Folders of this machine in a container of an engine on another one, which sees none of them: they are copied into volumes,
 * and out again when the container has ended. A container that is never started stands for the volumes while it is copied.
 */
import { randomUUID } from "node:crypto";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import { type Pack, pack } from "tar-stream";
import * as z from "zod";
import { AgentdError, errnoOf, messageOf } from "../../protocol/error.ts";
import type { Authorities } from "./authorities.ts";
import { bringBack, Copied, copiedOf, freshFolder } from "./bring-back.ts";
import { type Engine, engineFault, isMissing } from "./engine.ts";
import { connectByExec } from "./exec-door.ts";
import { label, type Names } from "./names.ts";
import type { Owner } from "./owner.ts";
import { inside } from "./places.ts";
import type { Furnished, Guest, Premises } from "./premises.ts";
import { packTree, type TreeEntry, type TreeLimits, unpackTree } from "./tree-archive.ts";

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
  log(level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>): void;
}

/** A volume each. */
const places = { box: inside.sessionDir, home: inside.home, work: inside.workDir } as const;
type Place = keyof typeof places;

const entriesMax = 200_000;
const authoritiesName = "authorities.pem";

/** In the session's folder, from when all is copied there until all is back. */
const recordName = "copied.json";
const CopyRecord = z.object({
  /** On the volumes too: one that was made anew meanwhile is another. */
  token: z.string(),
  work_dir: z.string().nullable(),
  home: z.string(),
  copied: Copied,
});
type CopyRecord = z.infer<typeof CopyRecord>;

export function copiedPremises(options: CopiedOptions): Premises {
  return new CopiedPremises(options);
}

class CopiedPremises implements Premises {
  readonly #options: CopiedOptions;
  /** Of those that come back now. */
  readonly #retrieving = new Map<string, Promise<void>>();

  constructor(options: CopiedOptions) {
    this.#options = options;
  }

  /** Files have the owner that they have here; over there nobody else is. */
  async ownerFor(): Promise<Owner> {
    return this.#options.user;
  }

  async furnish(guest: Guest): Promise<Furnished> {
    const { spec, owner } = guest;
    const { names } = this.#options;
    const wanted: Place[] = ["box", "home", ...(spec.workDir === undefined ? [] : ["work" as const])];
    const token = randomUUID();
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
    const authorities = await this.#copyIn(guest, { wanted, token });
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

  async clear(sessionId: string): Promise<void> {
    for (const { Name } of await this.#volumes(sessionId))
      await this.#options.engine.getVolume(Name).remove().catch(ignoreMissing);
  }

  async list(): Promise<{ name: string; sessionId: string | undefined }[]> {
    return (await this.#volumes()).map(({ Name, Labels }) => ({ name: Name, sessionId: Labels?.[label.session] }));
  }

  /** Resolves with what the file of authorities is called inside. */
  async #copyIn(
    { spec, owner, image, bootstrap }: Guest,
    { wanted, token }: { wanted: readonly Place[]; token: string },
  ): Promise<string | undefined> {
    const { sessionDir, workDir, privateHome } = spec;
    if (privateHome === undefined) throw new Error("a session in a container needs a home of its own");
    const file = await this.#options.authorities.fileFor(
      image,
      this.#options.names.labels("agent", bootstrap.session_id),
    );
    const copied: Copied = [];
    await this.#withVolumes(spec.sessionId, wanted, async (container) => {
      await put(container, "/", await skeleton(wanted, owner, file));
      const limits = this.#limits;
      const here = async (folder: string) => ({ owner: await stat(folder), inside: owner, limits });
      await put(
        container,
        at("home"),
        packTree(privateHome, { ...(await here(privateHome)), onEntry: () => undefined }),
      );
      if (workDir === undefined) return;
      const onEntry = (entry: TreeEntry) => copied.push(copiedOf(entry));
      await put(container, at("work"), packTree(workDir, { ...(await here(workDir)), onEntry }));
    });
    const record: CopyRecord = { token, work_dir: workDir ?? null, home: privateHome, copied };
    const path = join(sessionDir, recordName);
    await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    await rename(`${path}.new`, path);
    return file && `${inside.sessionDir}/${authoritiesName}`;
  }

  async #retrieve(sessionId: string): Promise<void> {
    const { log, sidecarDirOf } = this.#options;
    const volumes = await this.#volumes(sessionId);
    const sessionDir = volumes[0]?.Labels?.[label.sessionDir];
    const record = sessionDir === undefined ? undefined : await recordIn(sessionDir);
    if (sessionDir === undefined || !record) return;
    const path = join(sessionDir, recordName);
    const wanted: Place[] = ["box", "home", ...(record.work_dir === null ? [] : ["work" as const])];
    const known = new Set(
      volumes.flatMap(({ Name, Labels }) => (Labels?.[label.token] === record.token ? [Name] : [])),
    );
    const lost = wanted.filter((place) => !known.has(this.#options.names.ofVolume(sessionId, place)));
    if (lost.length > 0) {
      // What is in their place now says nothing of what was removed.
      log("error", `Cannot bring back what session "${sessionId}" did: its volumes (${lost.join(", ")}) are gone`);
      await rm(path);
      return;
    }
    await this.#withVolumes(sessionId, wanted, async (container) => {
      await this.#replace(container, "box", sidecarDirOf(sessionDir));
      await this.#replace(container, "home", record.home);
      if (record.work_dir !== null) await this.#merge(container, { sessionId, folder: record.work_dir, record });
    });
    await rm(path);
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
    const mark = sessionId.slice(0, 8);
    // Below it, so that it is the same file system.
    const staging = await freshFolder(join(folder, `.agentd-${mark}`));
    try {
      const { uid, gid } = await stat(folder);
      await this.#unpack(container, "work", { staging, owner: process.getuid?.() === 0 ? { uid, gid } : undefined });
      const { conflicts } = await bringBack({ staging, folder, copied: record.copied, mark });
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
    await unpackTree(archive, staging, { limits: this.#limits, inside: this.#options.user, owner });
  }

  get #limits(): TreeLimits {
    return { entries: entriesMax, bytes: this.#options.bytesMax };
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
      await container.remove({ force: true }).catch(ignoreMissing);
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

async function recordIn(sessionDir: string): Promise<CopyRecord | undefined> {
  let text: string;
  try {
    text = await readFile(join(sessionDir, recordName), "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  return CopyRecord.parse(JSON.parse(text));
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
