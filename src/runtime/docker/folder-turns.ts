/**
 * Who works on a folder of this machine when: copies of one may be made at the same time, but nobody changes it meanwhile, and
 * only one at a time. Folders that lie in each other are one, by whatever path they are called. Here those of one daemon wait for
 * each other, and then by marks for those of others.
 */
import { realpath } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { FolderMarks } from "./folder-marks.ts";

export class FolderTurns {
  readonly #marks: FolderMarks;
  readonly #under = new Set<{ path: string; isChange: boolean; over: Promise<void> }>();

  /** `daemon` is its name on the engine. */
  constructor(daemon: string) {
    this.#marks = new FolderMarks(daemon);
  }

  /** Reads it: whoever came before to change it is waited for. */
  read<T>(folder: string, act: () => Promise<T>): Promise<T> {
    return this.#take(folder, false, act);
  }

  /** Changes it: all who came before are waited for. */
  change<T>(folder: string, act: () => Promise<T>): Promise<T> {
    return this.#take(folder, true, act);
  }

  async #take<T>(folder: string, isChange: boolean, act: () => Promise<T>): Promise<T> {
    const path = await realpath(folder).catch(() => resolve(folder));
    // Each waits for earlier ones only, so nobody waits for ever.
    const before = [...this.#under].filter((other) => (isChange || other.isChange) && overlap(other.path, path));
    const own = Promise.all(before.map(({ over }) => over)).then(() =>
      isChange ? this.#marks.change(path, act) : this.#marks.read(path, act),
    );
    const over = own.then(
      () => undefined,
      () => undefined,
    );
    const turn = { path, isChange, over };
    this.#under.add(turn);
    try {
      return await own;
    } finally {
      this.#under.delete(turn);
    }
  }
}

function overlap(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => (path.endsWith(sep) ? path : path + sep)) as [string, string];
  return a.startsWith(b) || b.startsWith(a);
}
