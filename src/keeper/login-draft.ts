/**
 * The next version of a login's file. Its room is taken before the refresh token is used, which is good once: with a full disk
 * found out behind that, there would be nothing left to log in with.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../protocol/error.ts";
import { FileInPlace, writeAll } from "./file-in-place.ts";

/** Tokens vary in length, and there may be more of them in the next version. */
const sparedBytes = 16 * 1024;

export class LoginDraft {
  readonly #file: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  /** Where another file system holds the file than its folder: room in the folder would be none for it. */
  readonly #inPlace: FileInPlace | undefined;

  /** Rejects when there is no room for it, or this user may not write there; then nothing has happened. */
  static async open(path: string, text: string): Promise<LoginDraft> {
    const file = await realpath(path);
    const { uid, gid, dev } = await stat(file);
    const draft = `${file}.${process.pid}.new`;
    const handle = await open(draft, "w", 0o600);
    let inPlace: FileInPlace | undefined;
    try {
      if (process.getuid?.() === 0) await handle.chown(uid, gid);
      // Of what cannot be compressed: room that a file system saved would be no room.
      await writeAll(handle, randomBytes(2 * Buffer.byteLength(text) + sparedBytes), 0);
      await handle.sync();
      if ((await stat(dirname(file))).dev !== dev) {
        inPlace = await FileInPlace.open(file);
        await inPlace.takeRoom(sparedBytes);
      }
    } catch (error) {
      await inPlace?.close();
      await handle.close();
      await rm(draft, { force: true });
      throw error;
    }
    return new LoginDraft({ file, path: draft, handle, inPlace });
  }

  private constructor(parts: { file: string; path: string; handle: FileHandle; inPlace: FileInPlace | undefined }) {
    this.#file = parts.file;
    this.#path = parts.path;
    this.#handle = parts.handle;
    this.#inPlace = parts.inPlace;
  }

  /** In one step, for whoever reads meanwhile. */
  async commit(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    await writeAll(this.#handle, bytes, 0);
    await this.#handle.truncate(bytes.length);
    await this.#handle.sync();
    try {
      await rename(this.#path, this.#file);
    } catch (error) {
      // A file that is mounted by itself, as into a container, has no other one put in its place.
      if (errnoOf(error) !== "EBUSY") throw error;
      await this.#writeInPlace(bytes);
    }
  }

  /** Nothing of it stays but what was committed. */
  async close(): Promise<void> {
    await this.#inPlace?.close();
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }

  async #writeInPlace(bytes: Buffer): Promise<void> {
    if (this.#inPlace) return this.#inPlace.replace(bytes);
    const file = await FileInPlace.open(this.#file);
    try {
      await file.replace(bytes);
    } finally {
      await file.close();
    }
  }
}
