/**
 * Whom programs in a container trust: one file for all of them, since most take a file of ours instead of their image's.
 * With authorities of the operator's in addition it is made of both.
 */
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import type Docker from "dockerode";
import { type Engine, isMissing } from "./engine.ts";

export interface AuthoritiesOptions {
  engine: Engine;
  /** For the files that are made. */
  folder: string;
  /** The operator's, instead of an image's own. */
  file: string | undefined;
  /** In PEM, in addition; empty where there are none. */
  extra: string;
}

/** Where images keep their own: Debian and Alpine, Red Hat. */
const ownPlaces = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"];
const bytesMax = 8 * 1024 * 1024;

export class Authorities {
  readonly #options: AuthoritiesOptions;
  #extra: string;
  /** What was found in images, by their ids. */
  readonly #own = new Map<string, Promise<string>>();

  constructor(options: AuthoritiesOptions) {
    this.#options = options;
    this.#extra = options.extra;
  }

  /** For containers that start from now on. */
  change(extra: string): void {
    this.#extra = extra;
  }

  /** Undefined where the image's own will do. `labels` are for a container that is made to look into the image. */
  async fileFor(image: string, labels: Record<string, string>): Promise<string | undefined> {
    const { file, folder } = this.#options;
    if (this.#extra === "") return file;
    const base = file === undefined ? await this.#ownOf(image, labels) : await readFile(file, "utf8");
    const text = `${base}\n${this.#extra}`;
    // By what is in it: those that are mounted stay as they are.
    const path = join(folder, `${createHash("sha256").update(text).digest("hex").slice(0, 16)}.pem`);
    if (existsSync(path)) return path;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Sessions that start together may each find none.
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, text, { mode: 0o644 });
    await chmod(draft, 0o644);
    await rename(draft, path);
    return path;
  }

  /** When no session is there that sees them. */
  async remove(): Promise<void> {
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  async #ownOf(image: string, labels: Record<string, string>): Promise<string> {
    const { engine } = this.#options;
    const { Id } = await engine.getImage(image).inspect();
    const known = this.#own.get(Id);
    if (known) return known;
    const reading = readFromImage(engine, image, labels);
    this.#own.set(Id, reading);
    reading.catch(() => this.#own.delete(Id));
    return reading;
  }
}

/** By a container that is never started. Node's own list where the image has none that we know of. */
async function readFromImage(engine: Engine, image: string, Labels: Record<string, string>): Promise<string> {
  const container = await engine.createContainer({ Image: image, Labels, HostConfig: { NetworkMode: "none" } });
  try {
    for (const path of ownPlaces) {
      const text = await readFromContainer(container, path);
      if (text !== undefined) return text;
    }
    return rootCertificates.join("\n");
  } finally {
    await container.remove({ force: true, v: true });
  }
}

async function readFromContainer(container: Docker.Container, path: string): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  try {
    let bytes = 0;
    for await (const chunk of await container.getArchive({ path })) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error(`"${path}" in the image is larger than ${bytesMax} bytes`);
      chunks.push(Buffer.from(chunk));
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return fileIn(Buffer.concat(chunks))?.toString("utf8");
}

const block = 512;

/** The first plain file of a tar archive; undefined when there is none, as where a link is. Pure. */
export function fileIn(archive: Buffer): Buffer | undefined {
  for (let at = 0; at + block <= archive.length; ) {
    const header = archive.subarray(at, at + block);
    // A name that is empty is the end.
    if (header[0] === 0) return undefined;
    const size = Number.parseInt(header.toString("latin1", 124, 136), 8) || 0;
    const kind = header.toString("latin1", 156, 157);
    if (kind === "0" || kind === "\0") return archive.subarray(at + block, at + block + size);
    at += block + Math.ceil(size / block) * block;
  }
  return undefined;
}
