/** Sessions that have ended: in the store's index and in their folders, in memory only while somebody looks at one. */
import type { Config } from "../config.ts";
import { errnoOf } from "../protocol/error.ts";
import { sessionHome } from "../session/home.ts";
import { readRecord } from "../session/record.ts";
import type { SessionRow, Store } from "../store/store.ts";
import { type Entry, endedEntry } from "./entry.ts";
import { endedSession } from "./restored.ts";

export class Archive {
  readonly #config: Config;
  readonly #store: Store;

  constructor(config: Config, store: Store) {
    this.#config = config;
    this.#store = store;
  }

  /** The ended session of this id or name, read from its folder. */
  async find(ref: string): Promise<Entry | undefined> {
    const row = await this.#store.sessions.findEnded(ref);
    return row && this.#read(row);
  }

  /** What is known of it: figures from the index, what it was asked for from its record. */
  async show(ref: string): Promise<{ row: SessionRow; entry: Entry } | undefined> {
    const row = await this.#store.sessions.findEnded(ref);
    const entry = row && (await this.#read(row));
    return entry && { row, entry };
  }

  async #read(row: SessionRow): Promise<Entry | undefined> {
    try {
      const record = await readRecord(sessionHome(this.#config.dataDir, row.id).record);
      const session = await endedSession(this.#config, record);
      return session && endedEntry(session);
    } catch (error) {
      // Its folder was taken away under us: there is no such session any more.
      if (errnoOf(error) !== "ENOENT") throw error;
      return undefined;
    }
  }
}
