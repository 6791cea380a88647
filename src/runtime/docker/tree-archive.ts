/**
 * A folder of this machine as a tar archive for an engine, and back. Links are passed on as links and never followed;
 * what is no folder, file or link is left out.
 */
import { createHash } from "node:crypto";
import type { Stats, WriteStream } from "node:fs";
import { constants } from "node:fs";
import { chmod, lchown, link, lstat, lutimes, mkdir, open, readdir, readlink, symlink } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { extract, type Headers, type Pack, pack } from "tar-stream";
import { AgentdError } from "../../protocol/error.ts";
import { isMark } from "./folder-marks.ts";

export interface TreeEntry {
  /** Below the folder, with slashes. */
  path: string;
  kind: "directory" | "file" | "link";
  stat: Stats;
  /** Of a link. */
  leadsTo: string | undefined;
}

/** Of what went into an archive: a file may have changed since it was found. */
export interface Packed extends TreeEntry {
  /** Of a file: how much of it went in, and the digest of that. */
  size: number;
  digest: string | undefined;
}

export interface Owner {
  uid: number;
  gid: number;
}

/** So many things, and so much in them, are copied between machines; more is a mistake. */
export interface TreeLimits {
  entries: number;
  bytes: number;
}

/** A folder in which something that comes back is being unpacked, beside what it is for; it is of no session's copy. */
const stagingName = /^\.agentd-[0-9a-f]{8}-[0-9a-f-]{27}(\.before)?$/;

export function stagingIn(folder: string, token: string): string {
  return join(folder, `.agentd-${token}`);
}

/** All below a folder, parents first. Throws for more than may be. */
export async function* treeBelow(folder: string, limits: TreeLimits): AsyncGenerator<TreeEntry> {
  const waiting = [""];
  let [entries, bytes] = [0, 0];
  for (let parent = waiting.shift(); parent !== undefined; parent = waiting.shift()) {
    for (const name of (await readdir(join(folder, parent))).sort()) {
      if (stagingName.test(name) || isMark(name)) continue;
      const path = posix.join(parent, name);
      const stat = await lstat(join(folder, path));
      const kind = kindOf(stat);
      if (!kind) continue;
      entries += 1;
      bytes += kind === "file" ? stat.size : 0;
      if (entries > limits.entries || bytes > limits.bytes) throw tooLarge(folder, limits);
      if (kind === "directory") waiting.push(path);
      yield { path, kind, stat, leadsTo: kind === "link" ? await readlink(join(folder, path)) : undefined };
    }
  }
}

function kindOf(stat: Stats): TreeEntry["kind"] | undefined {
  if (stat.isDirectory()) return "directory";
  if (stat.isFile()) return "file";
  return stat.isSymbolicLink() ? "link" : undefined;
}

function tooLarge(what: string, { entries, bytes }: TreeLimits): AgentdError {
  return new AgentdError(
    "invalid_work_dir",
    `Cannot copy "${what}": it holds more than ${entries} files or ${Math.round(bytes / 1024 ** 2)} MiB. Name a smaller folder, or raise docker.copy_size`,
  );
}

/**
 * The folder as an archive. What is its owner's becomes `inside`'s; what is somebody else's becomes root's, with its mode: who
 * could not read it here cannot read it there. `onEntry` is told of each thing that went in.
 */
export function packTree(
  folder: string,
  options: { owner: Owner; inside: Owner; limits: TreeLimits; onEntry(entry: Packed): void },
): Pack {
  const archive = pack();
  const fill = async () => {
    for await (const entry of treeBelow(folder, options.limits)) {
      options.onEntry({ ...entry, ...(await addEntry(archive, join(folder, entry.path), { entry, ...options })) });
    }
    archive.finalize();
  };
  fill().catch((error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))));
  return archive;
}

async function addEntry(
  archive: Pack,
  path: string,
  { entry, owner, inside }: { entry: TreeEntry; owner: Owner; inside: Owner },
): Promise<Pick<Packed, "size" | "digest">> {
  const { stat, kind, leadsTo } = entry;
  const isOwners = stat.uid === owner.uid;
  const header = {
    name: entry.path,
    mode: stat.mode & 0o777,
    mtime: stat.mtime,
    uid: isOwners ? inside.uid : 0,
    gid: stat.gid === owner.gid ? inside.gid : 0,
  };
  if (kind !== "file") {
    const link = leadsTo === undefined ? {} : { linkname: leadsTo };
    await new Promise<void>((resolve, reject) =>
      archive.entry({ ...header, type: kind === "link" ? "symlink" : "directory", ...link }, (error) =>
        error ? reject(error) : resolve(),
      ),
    );
    return { size: 0, digest: undefined };
  }
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const { size } = await file.stat();
  const hash = createHash("sha256");
  await new Promise<void>((resolve, reject) => {
    const target = archive.entry({ ...header, type: "file", size }, (error) => (error ? reject(error) : resolve()));
    if (size === 0) file.close().then(() => target.end(), reject);
    else
      pipeline(
        file.createReadStream({ end: size - 1 }).on("data", (piece) => hash.update(piece)),
        target,
      ).catch(reject);
  });
  return { size, digest: hash.digest("base64url") };
}

/**
 * Puts an archive into an empty folder of ours, without its first name. It comes from a container: a name that leads
 * elsewhere is an error, no special bit of a mode is taken, and nothing is written through a link.
 */
export async function unpackTree(
  archive: NodeJS.ReadableStream,
  folder: string,
  { limits, inside, owner }: { limits: TreeLimits; inside: Owner; owner: Owner | undefined },
): Promise<void> {
  const unpacker = new Unpacker(folder, limits);
  const contents = extract();
  contents.on("entry", (header: Headers, content: Readable, next: (error?: unknown) => void) => {
    unpacker.take(header, content).then(() => {
      // What was not wanted has to be read all the same.
      content.resume();
      next();
    }, next);
  });
  await pipeline(archive, contents).finally(() => unpacker.close());
  // Folders last: what is put into them changes their times, and may not be possible with their modes.
  for (const [at, header] of unpacker.taken.reverse()) await finish(at, header, { inside, owner });
}

class Unpacker {
  readonly taken: [path: string, header: Headers][] = [];
  readonly #folder: string;
  readonly #limits: TreeLimits;
  readonly #folders = new Set([""]);
  readonly #files = new Set<string>();
  #file: WriteStream | undefined;
  #bytes = 0;

  constructor(folder: string, limits: TreeLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  /** Nothing more comes. */
  close(): void {
    this.#file?.destroy();
  }

  /** Not by a pipeline: that would end the content, and with it the whole archive. */
  async #write(at: string, content: Readable): Promise<void> {
    this.#file = (await open(at, "wx", 0o600)).createWriteStream();
    await finished(content.pipe(this.#file));
  }

  async take(header: Headers, content: Readable): Promise<void> {
    const path = pathOf(header.name);
    this.#bytes += header.size ?? 0;
    if (this.taken.length >= this.#limits.entries || this.#bytes > this.#limits.bytes)
      throw tooLarge(header.name, this.#limits);
    // It would hold up daemons here, and is none of a session's business.
    if (path.split("/").some(isMark)) return;
    const at = join(this.#folder, path);
    this.taken.push([at, header]);
    if (path === "") return;
    const parent = dirname(path);
    if (!this.#folders.has(parent === "." ? "" : parent))
      throw new Error(`"${header.name}" lies in no folder of the archive`);
    if (header.type === "directory") {
      await mkdir(at, { mode: 0o700 });
      this.#folders.add(path);
    } else if (header.type === "symlink") await symlink(header.linkname ?? "", at);
    else if (header.type === "file") {
      await this.#write(at, content);
      this.#files.add(path);
    } else if (header.type === "link") {
      const first = pathOf(header.linkname ?? "");
      if (!this.#files.has(first)) return;
      await link(join(this.#folder, first), at);
      this.#files.add(path);
    }
  }
}

async function finish(
  at: string,
  header: Headers,
  { inside, owner }: { inside: Owner; owner: Owner | undefined },
): Promise<void> {
  if (header.type !== "file" && header.type !== "directory" && header.type !== "symlink") return;
  if (owner && header.uid === inside.uid) await lchown(at, owner.uid, owner.gid);
  if (header.type !== "symlink") await chmod(at, (header.mode ?? 0o600) & 0o777);
  if (header.mtime) await lutimes(at, header.mtime, header.mtime);
}

/** Without what the folder itself was called there. */
function pathOf(name: string): string {
  const path = posix.normalize(name).replace(/\/+$/, "");
  if (path.startsWith("/") || path.split("/").includes("..")) throw new Error(`"${name}" leads out of the archive`);
  return path.split("/").slice(1).join("/");
}
