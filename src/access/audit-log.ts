/** What was done, by whom, from where: appended to a file beside the sessions, which is put aside when it is full. */
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { AuditEntry } from "../protocol/access.ts";
import { errnoOf } from "../protocol/error.ts";

export interface AuditLogOptions {
  dataDir: string;
  /** Told of each fault of the disk; what could not be written is kept and tried again with the next entry. */
  onFault(error: unknown): void;
}

const fileBytesMax = 8 * 1024 * 1024;
/** The one that is written to, and older ones. */
const filesMax = 5;
/** What waits for the disk. */
const waitingMax = 10_000;

export class AuditLog {
  readonly #dataDir: string;
  readonly #onFault: (error: unknown) => void;
  #waiting: AuditEntry[] = [];
  #lost = 0;
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #bytes = 0;
  #seq = 0;
  readonly #watchers = new Set<() => void>();

  private constructor({ dataDir, onFault }: AuditLogOptions) {
    this.#dataDir = dataDir;
    this.#onFault = onFault;
  }

  /** Goes on counting behind the last entry. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const log = new AuditLog(options);
    log.#seq = (await log.read({ limit: 1 })).at(-1)?.seq ?? 0;
    return log;
  }

  note(entry: Omit<AuditEntry, "seq" | "at">): void {
    if (this.#waiting.length >= waitingMax) {
      this.#lost += 1;
      return;
    }
    this.#seq += 1;
    const lost = this.#lost > 0 ? { lost_before: this.#lost } : {};
    this.#lost = 0;
    this.#waiting.push({ seq: this.#seq, at: new Date().toISOString(), ...entry, ...lost });
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** The last ones, oldest first, or the first ones behind a number. */
  async read({ limit, after }: { limit: number; after?: number }): Promise<AuditEntry[]> {
    await this.#writing;
    let found: AuditEntry[] = [];
    for (let age = 0; age < filesMax; age++) {
      const entries = await entriesOf(this.#path(age));
      found = [...entries, ...found];
      if (after === undefined ? found.length >= limit : (found[0]?.seq ?? 0) <= after + 1) break;
    }
    return after === undefined ? found.slice(-limit) : found.filter(({ seq }) => seq > after).slice(0, limit);
  }

  /** Resolves when there is something behind that number, or the signal says so. */
  untilPast(seq: number, signal: AbortSignal): Promise<void> {
    if (this.#seq > seq || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#watchers.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#watchers.add(done);
      signal.addEventListener("abort", done);
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const entries = this.#waiting.slice(0, 100);
      try {
        await this.#append(`${entries.map((entry) => JSON.stringify(entry)).join("\n")}\n`);
      } catch (error) {
        this.#onFault(error);
        // What stands behind half a line must not be taken for the rest of it: that is looked at when it is opened.
        // That it cannot be written has been told; a close that fails too adds nothing.
        await this.#file?.close().catch(() => undefined);
        this.#file = undefined;
        return;
      }
      this.#waiting = this.#waiting.slice(entries.length);
      for (const wake of [...this.#watchers]) wake();
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
    await this.#file.appendFile(bytes);
    this.#bytes += bytes.length;
  }

  async #rotate(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await rm(this.#path(filesMax - 1), { force: true });
    for (let age = filesMax - 2; age >= 0; age--)
      await rename(this.#path(age), this.#path(age + 1)).catch((error: unknown) => {
        if (errnoOf(error) !== "ENOENT") throw error;
      });
    this.#bytes = 0;
  }

  #path(age: number): string {
    return join(this.#dataDir, age === 0 ? "audit.ndjson" : `audit.${age}.ndjson`);
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
