/** What a disk is, where that matters to a data dir: locks, sockets and the store ask for one of this machine that stays. */
import { statfs } from "node:fs/promises";

export type StorageKind = "local" | { network: string } | { memory: string };

/** By the numbers that Linux gives them (statfs(2)). */
const networks: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x517b, "SMB"],
  [0x01021997, "9p"],
  [0x00c36400, "Ceph"],
  [0x5346414f, "AFS"],
  [0x0bd00bd0, "Lustre"],
  [0x01161970, "GFS2"],
  [0x65735546, "FUSE"],
]);
const memories: ReadonlyMap<number, string> = new Map([
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
]);

export async function storageKind(path: string): Promise<StorageKind> {
  // Elsewhere the numbers mean something else.
  if (process.platform !== "linux") return "local";
  return kindOf((await statfs(path)).type);
}

/** Of a file system's number, which may come with a sign. Pure. */
export function kindOf(type: number): StorageKind {
  const found = type >>> 0;
  const [network, memory] = [networks.get(found), memories.get(found)];
  if (network !== undefined) return { network };
  return memory === undefined ? "local" : { memory };
}
