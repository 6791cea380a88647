/**
 * A daemon in a container, with the engine of the machine around it: the engine mounts the machine's folders by their paths, and the
 * daemon sees of them what was mounted into its own container. What it has of its image, or in memory, is another folder there.
 */
import { access, realpath } from "node:fs/promises";
import { AgentdError } from "../../protocol/error.ts";
import { type EngineAddress, socketPathOf } from "./engine-address.ts";
import { isWithin, type Mount, readMounts } from "./mounts.ts";

/** Put there by Docker and Podman. */
const signs = ["/.dockerenv", "/run/.containerenv"];

/** Throws `invalid_work_dir` for the first of these folders that the engine has another of. */
export async function refuseUnseen(paths: readonly string[], address: EngineAddress): Promise<void> {
  const socketPath = socketPathOf(address);
  if (socketPath === undefined || paths.length === 0 || !(await isInContainer())) return;
  const [mounts, socket] = await Promise.all([readMounts(), realpath(socketPath).catch(() => socketPath)]);
  for (const path of paths) {
    if (!isUnseen(await realpath(path), { mounts, socket })) continue;
    throw new AgentdError(
      "invalid_work_dir",
      `Cannot use "${path}" in a container: it is in the daemon's own container only, and the engine outside has another folder of that name, or none. Name one that is mounted into the daemon's container at the path that it has on the machine`,
    );
  }
}

/** Pure. An engine whose socket is of our own container sees what we see. */
export function isUnseen(path: string, { mounts, socket }: { mounts: readonly Mount[]; socket: string }): boolean {
  return !isOwn(holderOf(mounts, socket)) && isOwn(holderOf(mounts, path));
}

/** The image, or a place in memory that was made with the container. Where nothing can be told nothing is refused. */
function isOwn(mount: Mount | undefined): boolean {
  return mount?.point === "/" || (mount?.type === "tmpfs" && mount.root === "/");
}

/** The innermost; of those at one place the last covers the others. */
function holderOf(mounts: readonly Mount[], path: string): Mount | undefined {
  return mounts
    .filter(({ point }) => isWithin(path, point))
    .reduce<Mount | undefined>((held, one) => (held && held.point.length > one.point.length ? held : one), undefined);
}

async function isInContainer(): Promise<boolean> {
  const found = await Promise.all(
    signs.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
