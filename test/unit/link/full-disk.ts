/**
 * Disks that are full, as this process sees them: one that the daemon's log is on, one that the sidecar's spool is on. A
 * write that finds no room brings in what still fits, and the next one says ENOSPC.
 */
import fs from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { basename } from "node:path";

export type End = "daemon" | "sidecar";

export interface FullDisks {
  /** From now on no more than so many bytes fit. */
  fill(end: End, bytesLeft: number): void;
  free(end: End): void;
  isFull(end: End): boolean;
  /** Node's own functions are in their places again. */
  remove(): void;
}

const { openSync, writeSync } = fs;

export async function fullDisks(): Promise<FullDisks> {
  const left = new Map<End, number>();
  /** How much of a write fits. Throws when nothing does. */
  const fitting = (end: End, length: number): number => {
    const bytesLeft = left.get(end);
    if (bytesLeft === undefined) return length;
    if (bytesLeft === 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    const fits = Math.min(length, bytesLeft);
    left.set(end, bytesLeft - fits);
    return fits;
  };
  const restoreSpool = standInForSpool((length) => fitting("sidecar", length));
  const restoreLog = await standInForLog((length) => fitting("daemon", length));
  return {
    fill: (end, bytesLeft) => left.set(end, bytesLeft),
    free: (end) => left.delete(end),
    isFull: (end) => left.has(end),
    remove: () => {
      restoreSpool();
      restoreLog();
    },
  };
}

/** The spool writes to files that it opened by name, at once. */
function standInForSpool(fitting: (length: number) => number): () => void {
  const spoolFiles = new Set<number>();
  const put = (functions: object) => {
    Object.assign(fs, functions);
    syncBuiltinESMExports();
  };
  put({
    openSync: (...args: Parameters<typeof openSync>) => {
      const file = openSync(...args);
      // Numbers come again: what this one stood for before is closed.
      if (basename(String(args[0])).startsWith("spool-")) spoolFiles.add(file);
      else spoolFiles.delete(file);
      return file;
    },
    writeSync: (file: number, bytes: Buffer, offset: number, length: number, position: number) =>
      writeSync(file, bytes, offset, spoolFiles.has(file) ? fitting(length) : length, position),
  });
  return () => put({ openSync, writeSync });
}

/** The log is the only file here that is written by a handle. */
async function standInForLog(fitting: (length: number) => number): Promise<() => void> {
  const handle = await open("/dev/null", "r");
  const prototype: { write(...args: unknown[]): unknown } = Object.getPrototypeOf(handle);
  await handle.close();
  const { write } = prototype;
  prototype.write = async function (bytes: unknown, offset: unknown, length: unknown, position: unknown) {
    return write.call(this, bytes, offset, fitting(Number(length)), position);
  };
  return () => {
    prototype.write = write;
  };
}
