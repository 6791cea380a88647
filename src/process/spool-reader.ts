/**
 * The files in which a sidecar keeps what the daemon has not acknowledged: `spool-<firstSeq>.ndjson` in the session's
 * folder. Each holds whole sidecar lines with consecutive counts from `firstSeq` on; only the newest may end in a torn one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../protocol/error.ts";

export interface SpoolFile {
  path: string;
  /** The count of its first line. */
  firstSeq: number;
}

export const spoolBatchBytes = 256 * 1024;

const newline = 0x0a;

export function spoolFileName(firstSeq: number): string {
  return `spool-${firstSeq}.ndjson`;
}

/** Oldest first; none when the folder is gone. */
export function spoolFiles(sessionDir: string): SpoolFile[] {
  const files: SpoolFile[] = [];
  for (const name of namesIn(sessionDir)) {
    const found = /^spool-(\d+)\.ndjson$/.exec(name);
    if (found) files.push({ path: join(sessionDir, name), firstSeq: Number(found[1]) });
  }
  return files.sort((a, b) => a.firstSeq - b.firstSeq);
}

/**
 * What a sidecar that is gone left behind, from the count after `afterSeq` on, as batches of whole lines.
 * A torn last line is dropped: its event was never told to anyone.
 */
export async function* readSpool(sessionDir: string, afterSeq: number): AsyncGenerator<Buffer> {
  const files = spoolFiles(sessionDir);
  for (const [index, file] of files.entries()) {
    const following = files[index + 1];
    if (following && following.firstSeq <= afterSeq + 1) continue;
    const bytes = readFileSync(file.path);
    const end = bytes.lastIndexOf(newline) + 1;
    let at = skipLines(bytes.subarray(0, end), afterSeq + 1 - file.firstSeq);
    while (at < end) {
      const batch = wholeLines(bytes.subarray(at, end), spoolBatchBytes);
      yield batch;
      at += batch.length;
    }
  }
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
