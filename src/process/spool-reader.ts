/**
 * The files in which a sidecar keeps what the daemon has not acknowledged: `spool-<firstSeq>.ndjson` in the session's
 * folder. Each holds whole sidecar lines with consecutive counts from `firstSeq` on; only the newest may end in a torn one.
 */
import { constants, readdirSync } from "node:fs";
import { type FileHandle, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../protocol/error.ts";
import { tailNumbers } from "../protocol/line.ts";

export interface SpoolFile {
  path: string;
  /** The count of its first line. */
  firstSeq: number;
}

export const spoolBatchBytes = 256 * 1024;
/** A longer line could not have come over the link either. */
const lineBytesMax = 64 * 1024 * 1024;

const newline = 0x0a;
const spoolName = /^spool-(\d+)\.ndjson$/;

export function spoolFileName(firstSeq: number): string {
  return `spool-${firstSeq}.ndjson`;
}

/** Oldest first; none when the folder is gone. */
export function spoolFiles(sessionDir: string): SpoolFile[] {
  const files: SpoolFile[] = [];
  for (const name of namesIn(sessionDir)) {
    const found = spoolName.exec(name);
    if (found) files.push({ path: join(sessionDir, name), firstSeq: Number(found[1]) });
  }
  return files.sort((a, b) => a.firstSeq - b.firstSeq);
}

/** How much a live sidecar keeps; a segment may be trimmed away while it is looked at. */
export async function spoolBytesOf(sessionDir: string): Promise<number> {
  const names = await readdir(sessionDir).catch(() => []);
  let bytes = 0;
  for (const name of names) {
    if (!spoolName.test(name)) continue;
    const found = await stat(join(sessionDir, name)).catch(() => undefined);
    bytes += found?.size ?? 0;
  }
  return bytes;
}

/**
 * What a sidecar that is gone left behind, from the count after `afterSeq` on, as batches of whole lines. Ends at the
 * first line that is torn or does not carry the count that is due: a crash of the machine may leave such bytes.
 */
export function readSpool(sessionDir: string, afterSeq: number): AsyncGenerator<Buffer> {
  return readFiles(sessionDir, { afterSeq, onTaken: async () => undefined });
}

/**
 * The same, given to `take`, which resolves when it has stored the batch. Each file is removed once all of it was taken:
 * what is drained needs its room on the disk once, not twice.
 */
export async function drainSpool(
  sessionDir: string,
  { afterSeq, take }: { afterSeq: number; take(batch: Buffer): Promise<void> },
): Promise<void> {
  // What cannot be removed is in nobody's way: its lines are known by their counts.
  const onTaken = (path: string) => unlink(path).catch(() => undefined);
  for await (const batch of readFiles(sessionDir, { afterSeq, onTaken })) await take(batch);
}

/** Whoever asks for what follows has taken what there was. */
async function* readFiles(
  sessionDir: string,
  { afterSeq, onTaken }: { afterSeq: number; onTaken(path: string): Promise<void> },
): AsyncGenerator<Buffer> {
  const files = spoolFiles(sessionDir);
  for (const [index, file] of files.entries()) {
    const following = files[index + 1];
    const isKnown = following !== undefined && following.firstSeq <= afterSeq + 1;
    if (!isKnown && !(yield* readFile(file, afterSeq))) return;
    await onTaken(file.path);
  }
}

/** False when what is good of it ends before its last byte. */
async function* readFile({ path, firstSeq }: SpoolFile, afterSeq: number): AsyncGenerator<Buffer, boolean> {
  const file = await openPlainFile(path);
  if (!file) return true;
  try {
    let seq = firstSeq;
    for await (const bytes of piecesOf(file)) {
      const { end, count } = wholeUntil(bytes, seq);
      const lines = bytes.subarray(0, end);
      const known = skipLines(lines, afterSeq + 1 - seq);
      if (known < end) yield lines.subarray(known);
      if (end < bytes.length) return false;
      seq += count;
    }
    return true;
  } finally {
    await file.close();
  }
}

/** A few whole lines each, so that memory never holds all of it; what is no whole line comes as it is, and comes last. */
async function* piecesOf(file: FileHandle): AsyncGenerator<Buffer> {
  let torn: Buffer = Buffer.alloc(0);
  for (let position = 0; ; ) {
    // As much again as a long line has shown of itself: its pieces are not put together over and over.
    const length = Math.max(spoolBatchBytes, torn.length);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
    position += bytesRead;
    const bytes = Buffer.concat([torn, buffer.subarray(0, bytesRead)]);
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > 0) yield bytes.subarray(0, end);
    torn = bytes.subarray(end);
    if (bytesRead > 0 && torn.length <= lineBytesMax) continue;
    if (torn.length > 0) yield torn;
    return;
  }
}

/** Undefined for what is no file: the folder may be a container's, and a link in it would be followed on this machine. */
async function openPlainFile(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ELOOP") return undefined;
    throw error;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/** Where the lines end that carry the counts from `firstSeq` on, and how many they are. */
function wholeUntil(bytes: Buffer, firstSeq: number): { end: number; count: number } {
  let start = 0;
  let seq = firstSeq;
  for (; start < bytes.length; seq++) {
    const end = bytes.indexOf(newline, start);
    const tail = end === -1 ? "" : bytes.toString("latin1", Math.max(start, end - 80), end);
    if (tailNumbers(tail)?.sidecarSeq !== seq) break;
    start = end + 1;
  }
  return { end: start, count: seq - firstSeq };
}

/** Where the line after the first `count` lines begins. */
export function skipLines(bytes: Buffer, count: number): number {
  let at = 0;
  for (let skipped = 0; skipped < count; skipped++) {
    const end = bytes.indexOf(newline, at);
    if (end === -1) return bytes.length;
    at = end + 1;
  }
  return at;
}

/** As many whole lines as fit `bytesMax`, and one in any case. `bytes` must end in a newline. */
export function wholeLines(bytes: Buffer, bytesMax: number): Buffer {
  if (bytes.length <= bytesMax) return bytes;
  const last = bytes.lastIndexOf(newline, bytesMax - 1);
  return bytes.subarray(0, (last === -1 ? bytes.indexOf(newline, bytesMax) : last) + 1);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
