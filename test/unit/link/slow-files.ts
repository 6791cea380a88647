/** A disk that is busy, as this process sees it, and what of a log has reached the file by now. */
import { pbkdf2 } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { tailNumbers } from "../../../src/protocol/line.ts";

/** Threads of libuv, which carry out what is asked of files, and how long each is kept from it. */
const threads = 4;
const rounds = 20_000;
/** The counts of a line are within so much of its end. */
const numbersLength = 200;

/** Every write of this process to a file waits some milliseconds: the threads that would carry it out are at work. */
export function keepFilesWaiting(): void {
  for (let i = 0; i < threads; i++) pbkdf2("a", "b", rounds, 32, "sha256", () => undefined);
}

/** The count of the sidecar that the last whole line in the file carries. */
export function lastSidecarSeq(path: string): number {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    for (let length = 64 * 1024; ; length *= 4) {
      const bytes = Buffer.alloc(Math.min(length, size));
      const text = bytes.toString("latin1", 0, readSync(file, bytes, 0, bytes.length, size - bytes.length));
      const end = text.lastIndexOf("\n") + 1;
      if (end < numbersLength && length < size) continue;
      return tailNumbers(text.slice(Math.max(0, end - numbersLength), end))?.sidecarSeq ?? 0;
    }
  } finally {
    closeSync(file);
  }
}
