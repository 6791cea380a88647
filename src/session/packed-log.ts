/**
 * A log that is not written any more, compressed: gzip members of one block each, behind them an empty member that
 * carries in its header where each block is. `gunzip` reads the file as a whole, we read it at any offset.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, rename, rm, utimes } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { errnoOf } from "../protocol/error.ts";
import { readRange } from "./log.ts";

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Of the log; grows when a log has more of them than the index can name. */
const blockBytesMin = 1024 * 1024;
/** A gzip header's extra field has 16 bits for its length. */
const blocksMax = 16_000;
const magic = "agdx";
/** Block bytes, bytes of the log, bytes of the index, magic. */
const factsBytes = 4 + 8 + 4 + 4;
/** An empty deflate stream, its checksum and its length. */
const emptyEnd = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const tailBytes = factsBytes + emptyEnd.length;

export function packedPath(path: string): string {
  return `${path}.gz`;
}

export class PackedLog {
  readonly #path: string;
  readonly #blockBytes: number;
  /** Where each block begins in the file, and where the last one ends. */
  readonly #offsets: readonly number[];
  /** Readers go forward in steps that are smaller than a block. */
  #last: { block: number; bytes: Buffer } | undefined;
  /** Bytes of the log. */
  readonly size: number;

  private constructor(path: string, facts: { size: number; blockBytes: number; offsets: readonly number[] }) {
    this.#path = path;
    this.#blockBytes = facts.blockBytes;
    this.#offsets = facts.offsets;
    this.size = facts.size;
  }

  /** `path` is that of the log; rejects with ENOENT when it was not compressed. */
  static async open(path: string): Promise<PackedLog> {
    const packed = packedPath(path);
    const file = await open(packed, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return new PackedLog(packed, await readIndex(file, packed));
    } finally {
      await file.close();
    }
  }

  /** The bytes [from, to) of the log; fewer when it ends before. */
  async read(from: number, to: number): Promise<Buffer> {
    const end = Math.min(to, this.size);
    const parts: Buffer[] = [];
    for (let at = from; at < end; ) {
      const block = Math.floor(at / this.#blockBytes);
      const start = block * this.#blockBytes;
      const bytes = await this.#block(block);
      parts.push(bytes.subarray(at - start, Math.min(end - start, bytes.length)));
      at = start + this.#blockBytes;
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  async #block(block: number): Promise<Buffer> {
    if (this.#last?.block === block) return this.#last.bytes;
    const [from = 0, to = 0] = this.#offsets.slice(block, block + 2);
    const file = await open(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const bytes = await unpack(await readRange(file, from, to), { maxOutputLength: this.#blockBytes });
      this.#last = { block, bytes };
      return bytes;
    } finally {
      await file.close();
    }
  }
}

/** Whether it is there uncompressed. */
export async function isPlain(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

export interface PackOptions {
  /** What it throws ends the work, and the log is as it was. */
  assertGoesOn(): void;
}

/**
 * Puts the compressed form in the place of a log that nobody writes to; both are there until what was written has been
 * read back and compared. Answers with the bytes it takes now. Rejects with ENOENT when there is no such log.
 */
export async function packLog(path: string, options: PackOptions): Promise<number> {
  const source = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size, atime, mtime } = await source.stat();
    const packed = packedPath(path);
    const temporary = temporaryPath(packed);
    try {
      const bytes = await writePacked(source, size, temporary, options);
      await utimes(temporary, atime, mtime);
      await rename(temporary, packed);
      await syncFolder(dirname(path));
      await compare(source, size, await PackedLog.open(path), options);
      await rm(path);
      return bytes;
    } catch (error) {
      await dropHalfPacked(path);
      throw error;
    }
  } finally {
    await source.close();
  }
}

/** Takes away what a compression left that did not come to its end: while the plain file is there, that is the log. */
export async function dropHalfPacked(path: string): Promise<void> {
  const packed = packedPath(path);
  await rm(temporaryPath(packed), { force: true });
  if (await isPlain(path)) await rm(packed, { force: true });
}

function temporaryPath(packed: string): string {
  return `${packed}.tmp`;
}

async function writePacked(source: FileHandle, size: number, to: string, { assertGoesOn }: PackOptions) {
  let blockBytes = blockBytesMin;
  while (size / blockBytes > blocksMax) blockBytes *= 2;
  const target = await open(
    to,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    const lengths: number[] = [];
    for (let at = 0; at < size; at += blockBytes) {
      assertGoesOn();
      const member = await pack(await readRange(source, at, Math.min(size, at + blockBytes)));
      lengths.push(member.length);
      await target.writeFile(member);
    }
    await target.writeFile(indexMember({ size, blockBytes, lengths }));
    await target.sync();
    return (await target.stat()).size;
  } finally {
    await target.close();
  }
}

async function compare(source: FileHandle, size: number, packed: PackedLog, { assertGoesOn }: PackOptions) {
  let isSame = packed.size === size && (await source.stat()).size === size;
  for (let at = 0; isSame && at < size; at += blockBytesMin) {
    assertGoesOn();
    const to = Math.min(size, at + blockBytesMin);
    isSame = (await readRange(source, at, to)).equals(await packed.read(at, to));
  }
  if (!isSame) throw new Error("what was written is not what was read: the log is left as it was");
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The facts stand last, where a reader finds them from the end. */
function indexMember({ size, blockBytes, lengths }: { size: number; blockBytes: number; lengths: number[] }): Buffer {
  const index = Buffer.alloc(lengths.length * 4 + factsBytes);
  for (const [i, length] of lengths.entries()) index.writeUInt32LE(length, i * 4);
  const facts = index.subarray(lengths.length * 4);
  facts.writeUInt32LE(blockBytes, 0);
  facts.writeBigUInt64LE(BigInt(size), 4);
  facts.writeUInt32LE(index.length, 12);
  facts.write(magic, 16, "latin1");
  // RFC 1952: gzip, deflate, an extra field, no time, no system; the field's one part is ours.
  const head = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 0, 0, 0x41, 0x52, 0, 0]);
  head.writeUInt16LE(index.length + 4, 10);
  head.writeUInt16LE(index.length, 14);
  return Buffer.concat([head, index, emptyEnd]);
}

async function readIndex(file: FileHandle, path: string) {
  const { size: fileBytes } = await file.stat();
  const facts = await readRange(file, Math.max(0, fileBytes - tailBytes), fileBytes);
  const damaged = () => new Error(`"${path}" is damaged, or was not compressed by agentd: its index is not at its end`);
  if (facts.length < tailBytes || facts.toString("latin1", 16, 20) !== magic) throw damaged();
  const indexBytes = facts.readUInt32LE(12);
  const indexEnd = fileBytes - emptyEnd.length;
  const index = await readRange(file, Math.max(0, indexEnd - indexBytes), indexEnd - factsBytes);
  const offsets = [0];
  for (let at = 0; at + 4 <= index.length; at += 4) offsets.push((offsets.at(-1) ?? 0) + index.readUInt32LE(at));
  const blockBytes = facts.readUInt32LE(0);
  const size = Number(facts.readBigUInt64LE(4));
  if (blockBytes === 0 || offsets.length - 1 !== Math.ceil(size / blockBytes)) throw damaged();
  return { size, blockBytes, offsets };
}
