/**
 * The files in which a sidecar keeps what the daemon has not acknowledged: `spool-<firstSeq>.ndjson` in the session's
 * folder. Each holds whole sidecar lines with consecutive counts from `firstSeq` on; only the newest may end in a torn one.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../protocol/error.ts";
import { tailNumbers } from "../protocol/line.ts";

export interface SpoolFile {
  path: string;
  /** The count of its first line. */
  firstSeq: number;
}

export const spoolBatchBytes = 256 * 1024;

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
export async function* readSpool(sessionDir: string, afterSeq: number): AsyncGenerator<Buffer> {
  const files = spoolFiles(sessionDir);
  for (const [index, file] of files.entries()) {
    const following = files[index + 1];
    if (following && following.firstSeq <= afterSeq + 1) continue;
    const bytes = readPlainFile(file.path);
    const { end, isWhole } = wholeUntil(bytes, file.firstSeq);
    let at = skipLines(bytes.subarray(0, end), afterSeq + 1 - file.firstSeq);
    while (at < end) {
      const batch = wholeLines(bytes.subarray(at, end), spoolBatchBytes);
      yield batch;
      at += batch.length;
    }
    if (!isWhole) return;
  }
}

/** Nothing for what is no file: the folder may be a container's, and a link in it would be followed on this machine. */
function readPlainFile(path: string): Buffer {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ELOOP") return Buffer.alloc(0);
    throw error;
  }
  try {
    return fstatSync(file).isFile() ? readFileSync(file) : Buffer.alloc(0);
  } finally {
    closeSync(file);
  }
}

/** Where the lines end that carry the counts from `firstSeq` on, and whether that is the end of it all. */
function wholeUntil(bytes: Buffer, firstSeq: number): { end: number; isWhole: boolean } {
  let start = 0;
  for (let seq = firstSeq; start < bytes.length; seq++) {
    const end = bytes.indexOf(newline, start);
    const tail = end === -1 ? "" : bytes.toString("latin1", Math.max(start, end - 80), end);
    if (tailNumbers(tail)?.sidecarSeq !== seq) return { end: start, isWhole: false };
    start = end + 1;
  }
  return { end: start, isWhole: true };
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
