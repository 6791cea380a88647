/**
 * The next version of a login's file. Its room is taken before the refresh token is used, which is good once: with a full disk
 * found out behind that, there would be nothing left to log in with.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { errnoOf } from "../protocol/error.ts";

/** Tokens vary in length, and there may be more of them in the next version. */
const sparedBytes = 16 * 1024;

export class LoginDraft {
  readonly #file: string;
  readonly #path: string;
  readonly #handle: FileHandle;

  /** Rejects when there is no room for it, or this user may not write there; then nothing has happened. */
  static async open(path: string, text: string): Promise<LoginDraft> {
    const file = await realpath(path);
    const { uid, gid } = await stat(file);
    const draft = `${file}.${process.pid}.new`;
    const handle = await open(draft, "w", 0o600);
    try {
      if (process.getuid?.() === 0) await handle.chown(uid, gid);
      // Of what cannot be compressed: room that a file system saved would be no room.
      await handle.write(randomBytes(2 * Buffer.byteLength(text) + sparedBytes));
      await handle.sync();
    } catch (error) {
      await handle.close();
      await rm(draft, { force: true });
      throw error;
    }
    return new LoginDraft(file, draft, handle);
  }

  private constructor(file: string, path: string, handle: FileHandle) {
    this.#file = file;
    this.#path = path;
    this.#handle = handle;
  }

  /** In one step, for whoever reads meanwhile. */
  async commit(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await this.#handle.write(bytes, 0, bytes.length, 0);
    await this.#handle.truncate(bytes.length);
    await this.#handle.sync();
    try {
      await rename(this.#path, this.#file);
    } catch (error) {
      // A file that is mounted by itself, as into a container, has no other one put in its place.
      if (errnoOf(error) !== "EBUSY") throw error;
      await writeFile(this.#file, text);
    }
  }

  /** Nothing of it stays but what was committed. */
  async close(): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }
}
