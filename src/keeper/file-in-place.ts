/**
 * A file that cannot be replaced by another one, only written over. What it held is not cut off before there is room for what comes;
 * until then there are blanks behind it, which are nothing to who reads JSON.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";

const blank = 0x20;

export class FileInPlace {
  readonly #path: string;
  readonly #handle: FileHandle;
  /** What is in it, without the blanks. */
  #held: Buffer;

  static async open(path: string): Promise<FileInPlace> {
    const handle = await open(path, "r+");
    try {
      return new FileInPlace(path, handle, await readFile(path));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  private constructor(path: string, handle: FileHandle, held: Buffer) {
    this.#path = path;
    this.#handle = handle;
    this.#held = held;
  }

  /** For so many bytes more than it has. Rejects when there is none; what it holds is whole then too. */
  async takeRoom(bytes: number): Promise<void> {
    await writeAll(this.#handle, Buffer.alloc(bytes, blank), this.#held.length);
    await this.#handle.sync();
  }

  /** Rejects with what it held put back. */
  async replace(bytes: Buffer): Promise<void> {
    const more = bytes.length - this.#held.length;
    if (more > 0) await this.takeRoom(more);
    try {
      // Over all of the old text: from here on until it is cut off, both lengths are JSON.
      await writeAll(this.#handle, Buffer.concat([bytes, Buffer.alloc(Math.max(0, -more), blank)]), 0);
      await this.#handle.sync();
    } catch (error) {
      // Its blocks are there already. Should that fail too, whoever called still has the text.
      await writeAll(this.#handle, this.#held, 0).catch(() => undefined);
      throw error;
    }
    this.#held = bytes;
    await this.#handle.truncate(bytes.length);
  }

  /** Without the blanks, unless somebody has written there meanwhile. They hurt nobody where that fails. */
  async close(): Promise<void> {
    const { length } = this.#held;
    const now = await readFile(this.#path).catch(() => this.#held);
    const areOurs = this.#held.equals(now.subarray(0, length)) && now.subarray(length).every((byte) => byte === blank);
    if (areOurs && now.length > length) await this.#handle.truncate(length).catch(() => undefined);
    await this.#handle.close();
  }
}

/** A disk that is nearly full takes a part and reports nothing; only the next write fails. */
export async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error(`only ${done} of ${bytes.length} bytes could be written`);
    done += bytesWritten;
  }
}
