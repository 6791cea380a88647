/** A disk of its own for the data dir, small enough to be filled. Needs root on Linux: elsewhere there is none. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";

export interface SmallDisk {
  readonly path: string;
  /** Writes until nothing more fits. */
  fill(): void;
  free(): void;
  remove(): Promise<void>;
}

export const canMount = process.platform === "linux" && process.getuid?.() === 0;

export function mountSmallDisk(path: string, mebibytes: number): SmallDisk {
  mkdirSync(path, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=700`, "tmpfs", path]);
  const ballast = join(path, "ballast");
  return {
    path,
    fill: () => fillDisk(ballast),
    free: () => rmSync(ballast, { force: true }),
    // Those that were just killed hold it for a moment.
    remove: async () => {
      await eventually(() => isUnmounted(path), { deadlineMs: 10_000, everyMs: 50, what: "the end of the small disk" });
    },
  };
}

function isUnmounted(path: string): boolean {
  try {
    execFileSync("umount", [path], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export function fillDisk(ballast: string): void {
  const file = openSync(ballast, "w");
  try {
    // In ever smaller pieces, so that the last byte is taken too.
    for (let bytes = 1024 * 1024; bytes >= 1; bytes = Math.floor(bytes / 16)) writeUntilFull(file, bytes);
  } finally {
    closeSync(file);
  }
}

function writeUntilFull(file: number, bytes: number): void {
  const block = Buffer.alloc(bytes);
  for (;;) {
    try {
      if (writeSync(file, block) < bytes) return;
    } catch {
      // ENOSPC is what was wanted.
      return;
    }
  }
}
