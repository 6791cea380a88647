/** Entries of the audit log in a file of one name, which is put aside when it is full; so many older ones are kept. */
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { AuditEntry } from "../protocol/access.ts";
import { errnoOf } from "../protocol/error.ts";

export interface EntryFilesOptions {
  dataDir: string;
  /** Of the one that is written to, without its ending. */
  name: string;
  /** The one that is written to, and older ones. */
  filesMax: number;
  /** Told of a fault of the disk, once until it takes entries again; what could not be written is kept and tried again. */
  onFault(error: unknown): void;
  onWritten(): void;
}

const fileBytesMax = 8 * 1024 * 1024;
/** What waits for the disk. */
const waitingMax = 10_000;
/** Who looks at the log sees nothing behind an entry that waits, so it does not wait for the next one. */
const retryMs = 1000;

export class EntryFiles {
  readonly #options: EntryFilesOptions;
  #waiting: AuditEntry[] = [];
  #lost = 0;
  #writing: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #isFaultTold = false;
  #isClosed = false;
  #file: FileHandle | undefined;
  #bytes = 0;

  constructor(options: EntryFilesOptions) {
    this.#options = options;
  }

  /** `mint` is not called when there is no room for it: what is lost has no number. */
  add(mint: () => AuditEntry): void {
    if (this.#waiting.length >= waitingMax) {
      this.#lost += 1;
      return;
    }
    const lost = this.#lost > 0 ? { lost_before: this.#lost } : {};
    this.#lost = 0;
    this.#waiting.push({ ...mint(), ...lost });
    this.write();
  }

  /** What waits. With nothing there, or under way already, it does nothing. */
  write(): void {
    if (this.#waiting.length === 0 || this.#writing) return;
    clearTimeout(this.#retry);
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = undefined;
      if (this.#waiting.length > 0 && !this.#isClosed) this.#retry = setTimeout(() => this.write(), retryMs).unref();
    });
  }

  /** The number of the first one that is not in the file yet. */
  get firstWaiting(): number {
    return this.#waiting[0]?.seq ?? Number.POSITIVE_INFINITY;
  }

  async settled(): Promise<void> {
    await this.#writing;
  }

  /** The last ones, oldest first, or the first ones behind a number. */
  async read({ limit, after }: { limit: number; after?: number }): Promise<AuditEntry[]> {
    let found: AuditEntry[] = [];
    for (let age = 0; age < this.#options.filesMax; age++) {
      const entries = await entriesOf(this.#path(age));
      found = [...entries, ...found];
      if (after === undefined ? found.length >= limit : (found[0]?.seq ?? 0) <= after + 1) break;
    }
    return after === undefined ? found.slice(-limit) : found.filter(({ seq }) => seq > after).slice(0, limit);
  }

  /** Tries once more what waits: nobody else has it. */
  async close(): Promise<void> {
    await this.#writing;
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.write();
    await this.#writing;
    await this.#file?.close();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const entries = this.#waiting.slice(0, 100);
      try {
        await this.#append(`${entries.map((entry) => JSON.stringify(entry)).join("\n")}\n`);
      } catch (error) {
        if (!this.#isFaultTold) this.#options.onFault(error);
        this.#isFaultTold = true;
        // What stands behind half a line must not be taken for the rest of it: that is looked at when it is opened.
        // That it cannot be written has been told; a close that fails too adds nothing.
        await this.#file?.close().catch(() => undefined);
        this.#file = undefined;
        return;
      }
      this.#isFaultTold = false;
      this.#waiting = this.#waiting.slice(entries.length);
      this.#options.onWritten();
    }
  }

  async #append(text: string): Promise<void> {
    if (this.#bytes >= fileBytesMax) await this.#rotate();
    let isTorn = false;
    if (!this.#file) {
      this.#file = await open(this.#path(0), "a+", 0o600);
      this.#bytes = (await this.#file.stat()).size;
      isTorn = this.#bytes > 0 && (await lastByteOf(this.#file, this.#bytes)) !== 0x0a;
    }
    const bytes = Buffer.from(isTorn ? `\n${text}` : text);
    try {
      await this.#file.appendFile(bytes);
    } catch (error) {
      // Some may be whole: all of them come again. Should this fail too, half a line is found at the next opening.
      await this.#file.truncate(this.#bytes).catch(() => undefined);
      throw error;
    }
    this.#bytes += bytes.length;
  }

  async #rotate(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    const { filesMax } = this.#options;
    await rm(this.#path(filesMax - 1), { force: true });
    for (let age = filesMax - 2; age >= 0; age--)
      await rename(this.#path(age), this.#path(age + 1)).catch((error: unknown) => {
        if (errnoOf(error) !== "ENOENT") throw error;
      });
    this.#bytes = 0;
  }

  #path(age: number): string {
    const { dataDir, name } = this.#options;
    return join(dataDir, age === 0 ? `${name}.ndjson` : `${name}.${age}.ndjson`);
  }
}

async function lastByteOf(file: FileHandle, size: number): Promise<number | undefined> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0];
}

/** Half a line is what a crash left: it is passed over. */
async function entriesOf(path: string): Promise<AuditEntry[]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [AuditEntry.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}
