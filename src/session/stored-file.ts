/** The file of a log that nobody writes to, plain or compressed: who reads it need not know. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoOf } from "../protocol/error.ts";
import { readRange } from "./log.ts";
import { PackedLog } from "./packed-log.ts";

export class StoredFile {
  readonly #path: string;
  /** Once it is compressed it stays so. */
  #packed: PackedLog | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Bytes of the log, however many the file takes. Rejects with ENOENT when there is none. */
  size(): Promise<number> {
    return this.#with({ plain: async (file) => (await file.stat()).size, packed: async ({ size }) => size });
  }

  /** The bytes [from, to); fewer when it ends before. */
  read(from: number, to: number): Promise<Buffer> {
    return this.#with({ plain: (file) => readRange(file, from, to), packed: (log) => log.read(from, to) });
  }

  /** The plain file is the truth while it is there: its compression may not have come to its end. */
  async #with<T>(act: { plain(file: FileHandle): Promise<T>; packed(log: PackedLog): Promise<T> }): Promise<T> {
    if (this.#packed) return act.packed(this.#packed);
    let file: FileHandle;
    try {
      file = await open(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      this.#packed = await PackedLog.open(this.#path);
      return act.packed(this.#packed);
    }
    try {
      return await act.plain(file);
    } finally {
      await file.close();
    }
  }
}
