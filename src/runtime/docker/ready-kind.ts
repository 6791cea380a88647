/** What is decided when a container is made, and cannot be changed under one that waits. */
import { realpath, stat } from "node:fs/promises";
import type { ContainerSpec } from "../../protocol/container.ts";
import type { Engine } from "./engine.ts";
import { isWithin, readMounts } from "./mounts.ts";
import type { Owner } from "./owner.ts";

/** A session takes only a container that is in all of it as its own would be. */
export interface Kind {
  container: ContainerSpec;
  owner: Owner;
  workDir: string | undefined;
  authorities: string | undefined;
  runRoot: string;
}

/** What its names stood for. */
export interface Seen {
  imageId: string;
  folders: readonly string[];
}

export async function seenNow(engine: Engine, kind: Kind): Promise<Seen> {
  const [{ Id }, folders] = await Promise.all([engine.getImage(kind.container.image).inspect(), foldersOf(kind)]);
  return { imageId: Id, folders };
}

/**
 * What is at the paths that are mounted: one that was exchanged since is another folder than the container sees, and of what was
 * mounted below one since the container sees nothing.
 */
export async function foldersOf({ workDir, container, authorities }: Kind): Promise<string[]> {
  const paths = [workDir, authorities, ...boundBy(container)].filter((path) => path !== undefined);
  const mounts = await readMounts();
  const found = await Promise.all(
    paths.map(async (path) => {
      const [{ dev, ino }, real] = await Promise.all([stat(path), realpath(path)]);
      return [`${dev} ${ino}`, ...mounts.filter(({ point }) => isWithin(point, real)).map(({ line }) => line)];
    }),
  );
  return found.flat();
}

/** Folders and files of this machine, besides the work dir. */
export function boundBy({ mounts }: ContainerSpec): string[] {
  return mounts.filter(({ type }) => type === "bind").map(({ source }) => source);
}
