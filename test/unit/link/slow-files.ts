/** A disk that is busy, as this process sees it, and what of a log has reached the file by now. */
import { pbkdf2 } from "node:crypto";
import { readFileSync } from "node:fs";
import { tailNumbers } from "../../../src/protocol/line.ts";

/** Threads of libuv, which carry out what is asked of files, and how long each is kept from it. */
const threads = 4;
const rounds = 20_000;

/** Every write of this process to a file waits some milliseconds: the threads that would carry it out are at work. */
export function keepFilesWaiting(): void {
  for (let i = 0; i < threads; i++) pbkdf2("a", "b", rounds, 32, "sha256", () => undefined);
}

/** The count of the sidecar that the last whole line in the file carries. */
export function lastSidecarSeq(path: string): number {
  const text = readFileSync(path, "latin1");
  return tailNumbers(text.slice(0, text.lastIndexOf("\n") + 1).slice(-200))?.sidecarSeq ?? 0;
}
