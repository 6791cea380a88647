/** Sessions that have ended: in the store's index and in their folders, in memory only while somebody looks at one. */
import type { Config } from "../config.ts";
import { errnoOf } from "../protocol/error.ts";
import { sessionHome } from "../session/home.ts";
import { readRecord, type SessionRecord } from "../session/record.ts";
import type { SessionRow, Store } from "../store/store.ts";
import { type Entry, endedEntry } from "./entry.ts";
import type { Listed } from "./listing.ts";
import { endedSession } from "./restored.ts";
import type { TornLogs } from "./torn-logs.ts";

export class Archive {
  readonly #config: Config;
  readonly #store: Store;
  readonly #tornLogs: TornLogs;

  constructor(options: { config: Config; store: Store; tornLogs: TornLogs }) {
    this.#config = options.config;
    this.#store = options.store;
    this.#tornLogs = options.tornLogs;
  }

  /** The ended session of this id or name, read from its folder. */
  async find(ref: string): Promise<Entry | undefined> {
    const row = await this.#store.sessions.findEnded(ref);
    return row && (await unlessGone(this.#read(row)));
  }

  /**
   * What is known of it: figures from the index, what it was asked for from its record. Its log is not looked at: of one
   * that is compressed a whole block would be unpacked for that.
   */
  async show(ref: string): Promise<Listed | undefined> {
    const row = await this.#store.sessions.findEnded(ref);
    if (!row) return undefined;
    const record = await unlessGone(this.#recordOf(row));
    return record?.ended ? { row, entry: undefined, spec: record.spec } : undefined;
  }

  #recordOf({ id }: SessionRow): Promise<SessionRecord> {
    return readRecord(sessionHome(this.#config.dataDir, id).record);
  }

  async #read(row: SessionRow): Promise<Entry | undefined> {
    const session = await endedSession(this.#config, await this.#recordOf(row), this.#tornLogs);
    return session && endedEntry(session);
  }
}

/** Undefined when its folder was taken away under us: there is no such session any more. */
async function unlessGone<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return undefined;
  }
}
