/**
 * What was done, by whom, from where: appended to files beside the sessions. What changed nothing is kept apart, so that whoever
 * may change nothing pushes out nothing of what was changed.
 */
import type { AuditEntry } from "../protocol/access.ts";
import { type ErrorCode, errorStatus } from "../protocol/error.ts";
import { EntryFiles } from "./entry-files.ts";
import { type Noted, Repeats } from "./repeats.ts";

export interface AuditLogOptions {
  dataDir: string;
  /** Told of a fault of the disk, once until it takes entries again; what could not be written is kept and tried again. */
  onFault(error: unknown): void;
}

interface Asked {
  limit: number;
  after?: number;
}

const changesFilesMax = 5;
const unchangedFilesMax = 2;

export class AuditLog {
  /** What was done, and what failed in its midst. */
  readonly #changes: EntryFiles;
  /** What was refused, and tickets. */
  readonly #unchanged: EntryFiles;
  readonly #repeats = new Repeats((entry) => this.#write(this.#unchanged, entry));
  #seq = 0;
  readonly #watchers = new Set<() => void>();

  private constructor({ dataDir, onFault }: AuditLogOptions) {
    const onWritten = () => this.#wake();
    const files = { dataDir, onFault, onWritten };
    this.#changes = new EntryFiles({ ...files, name: "audit", filesMax: changesFilesMax });
    this.#unchanged = new EntryFiles({ ...files, name: "audit-unchanged", filesMax: unchangedFilesMax });
  }

  /** Goes on counting behind the last entry. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const log = new AuditLog(options);
    log.#seq = (await log.#found({ limit: 1 })).at(-1)?.seq ?? 0;
    return log;
  }

  note(entry: Omit<Noted, "error"> & { error?: ErrorCode }): void {
    if (mayHaveChanged(entry)) this.#write(this.#changes, entry);
    else this.#repeats.note(entry);
  }

  /** The last ones, oldest first, or the first ones behind a number. */
  async read(asked: Asked): Promise<AuditEntry[]> {
    await Promise.all([this.#changes.settled(), this.#unchanged.settled()]);
    // Who goes on behind a number would never see a smaller one that came into the other file later, or waits for a full disk.
    const written = this.#written;
    const whole = (await this.#found(asked)).filter(({ seq }) => seq <= written);
    return asked.after === undefined ? whole.slice(-asked.limit) : whole.slice(0, asked.limit);
  }

  /** Resolves when there is something behind that number, or the signal says so. */
  untilPast(seq: number, signal: AbortSignal): Promise<void> {
    if (this.#written > seq || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#watchers.delete(look);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const look = () => {
        if (this.#written > seq) done();
      };
      this.#watchers.add(look);
      signal.addEventListener("abort", done);
    });
  }

  async close(): Promise<void> {
    this.#repeats.close();
    await Promise.all([this.#changes.close(), this.#unchanged.close()]);
  }

  /** The last number before which all are in their files. */
  get #written(): number {
    return Math.min(this.#changes.firstWaiting - 1, this.#unchanged.firstWaiting - 1, this.#seq);
  }

  /** Of both, in the order of their numbers: up to `limit` of each. */
  async #found(asked: Asked): Promise<AuditEntry[]> {
    const both = await Promise.all([this.#changes.read(asked), this.#unchanged.read(asked)]);
    return both.flat().sort((a, b) => a.seq - b.seq);
  }

  #write(files: EntryFiles, entry: Noted): void {
    files.add(() => {
      this.#seq += 1;
      return { seq: this.#seq, at: new Date().toISOString(), ...entry };
    });
    // Of either file: nothing behind one that waits is shown, whichever it stands in.
    for (const other of [this.#changes, this.#unchanged]) other.write();
  }

  #wake(): void {
    for (const look of [...this.#watchers]) look();
  }
}

/** A refusal comes before the act; what fails otherwise may have begun. A ticket opens what its holder could open anyway. */
function mayHaveChanged({ act, error }: { act: AuditEntry["act"]; error?: ErrorCode }): boolean {
  return error === undefined ? act !== "ticket" : errorStatus[error] >= 500;
}
