/** How the proxy sees what the daemon writes for it: by mounts, or, on another machine, by copies in volumes. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { errnoOf } from "../../protocol/error.ts";
import { type Engine, isMissing } from "./engine.ts";
import { InTurn } from "./in-turn.ts";
import type { Names } from "./names.ts";

export interface ProxyFolder {
  /** Of this machine. */
  folder: string;
  target: string;
}

export interface FileForProxy {
  name: string;
  /** Empty when it is gone. */
  text: string;
}

export interface ProxyFolders {
  /** For a container that is made now. */
  mounts(folders: readonly ProxyFolder[]): Promise<Docker.MountSettings[]>;
  /** Before it is started. */
  fill(container: Docker.Container, folders: readonly ProxyFolder[]): Promise<void>;
  /** Files of one of them were written, or are gone. */
  deliver(target: string, files: readonly FileForProxy[]): Promise<void>;
  /** The proxy is gone, and was the last. */
  remove(): Promise<void>;
}

/** A file of such a folder is written beside its place, and put there when it is whole. */
export function draftOf(path: string, mark: string | number = ""): string {
  return `${path}.new${mark}`;
}

function isDraft(name: string): boolean {
  return /\.new\d*$/.test(name);
}

export const mountedFolders: ProxyFolders = {
  mounts: async (folders) =>
    folders.map(({ folder, target }) => ({ Type: "bind", Source: folder, Target: target, ReadOnly: true })),
  fill: async () => undefined,
  deliver: async () => undefined,
  remove: async () => undefined,
};

export function copiedFolders({ engine, names }: { engine: Engine; names: Names }): ProxyFolders {
  const volumeOf = (target: string) => names.ofProxyVolume(target);
  // What was read for a new proxy must not come behind what was written meanwhile.
  const toProxy = new InTurn();
  const remove = async () => {
    const { Volumes } = await engine.listVolumes({ filters: { label: names.filter("proxy-volume") } });
    for (const { Name } of Volumes ?? []) await engine.getVolume(Name).remove().catch(ignoreMissing);
  };
  return {
    mounts: async (folders) => {
      // What an earlier one was told must not hold for this one.
      await remove();
      for (const { target } of folders)
        await engine.createVolume({ Name: volumeOf(target), Labels: names.labels("proxy-volume") });
      return folders.map(({ target }) => ({
        Type: "volume",
        Source: volumeOf(target),
        Target: target,
        // For us: what is written comes through its container. Its user could not write there.
        ReadOnly: false,
        VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: "", Options: {} } },
      }));
    },
    fill: (container, folders) =>
      toProxy.run(async () => {
        for (const { folder, target } of folders) await put(container, target, await filesIn(folder));
      }),
    deliver: (target, files) =>
      toProxy.run(async () => {
        try {
          await put(engine.getContainer(names.proxy), target, files);
        } catch (error) {
          // There is none: the next one gets all of them.
          ignoreMissing(error);
        }
      }),
    remove,
  };
}

/** Without what is being written, and what is gone by the time that it is read. */
async function filesIn(folder: string): Promise<FileForProxy[]> {
  const found = await Promise.all(
    (await readdir(folder)).map(async (name) => {
      try {
        return isDraft(name) ? [] : [{ name, text: await readFile(join(folder, name), "utf8") }];
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw error;
        return [];
      }
    }),
  );
  return found.flat();
}

async function put(container: Docker.Container, path: string, files: readonly FileForProxy[]): Promise<void> {
  const archive = pack();
  for (const { name, text } of files) archive.entry({ name, mode: 0o644, uid: 0, gid: 0 }, text);
  archive.finalize();
  await container.putArchive(archive, { path });
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
