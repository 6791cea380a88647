/** What is written of a session when it changes: its record in its folder, then its row in the store. */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../protocol/error.ts";
import { writeRecord } from "../session/record.ts";
import type { Store } from "../store/store.ts";
import type { Log } from "./context.ts";
import { type Entry, recordOf, rowOf } from "./entry.ts";
import type { Registry } from "./registry.ts";

/** How long until the end of a session is tried to be written again. */
const retryMs = 2000;

export interface BooksOptions {
  store: Store;
  registry: Registry;
  log: Log;
  isClosing(): boolean;
}

export class Books {
  readonly #options: BooksOptions;

  constructor(options: BooksOptions) {
    this.#options = options;
  }

  /** Acts when all that was to be written of it is, and before what comes next. Rejects as the act does. */
  inTurn<T>(entry: Entry, act: () => Promise<T>): Promise<T> {
    const done = entry.saving.then(act);
    entry.saving = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** Something has changed that they hold. Never rejects: the session goes on, and the log is its truth. */
  save(entry: Entry): void {
    entry.saving = entry.saving.then(async () => {
      await this.#write(entry);
    });
  }

  /** It has ended: once that is in the store, it is held in memory no longer. `cleanUp` comes first. */
  close(entry: Entry, cleanUp: () => Promise<void>): void {
    entry.saving = entry.saving.then(async () => {
      await cleanUp();
      // Written once more, for the case that the last attempt failed.
      const isWritten = await this.#write(entry);
      if (isWritten) this.#options.registry.drop(entry.session.id);
      else void this.#closeLater(entry);
    });
  }

  /** Until it succeeds the session is listed from memory; after a restart, from its record or its log. */
  async #closeLater(entry: Entry): Promise<void> {
    while (!this.#options.isClosing()) {
      await delay(retryMs, undefined, { ref: false });
      if (await this.inTurn(entry, () => this.#closeAgain(entry))) return;
    }
  }

  /** Tries once more; false when it is to be tried again. */
  async #closeAgain(entry: Entry): Promise<boolean> {
    const { registry } = this.#options;
    const { id } = entry.session;
    // It was deleted meanwhile, and another may have its id by now.
    if (registry.find(id) !== entry) return true;
    const isWritten = await this.#write(entry);
    if (isWritten) registry.drop(id);
    return isWritten;
  }

  async #write(entry: Entry): Promise<boolean> {
    const { store, log } = this.#options;
    const { id, home } = entry.session;
    // Of one moment: a row that says more than the record would keep a next daemon from finishing what the record leaves open.
    const [record, row] = [recordOf(entry), rowOf(entry)];
    try {
      await writeRecord(home.record, record);
    } catch (error) {
      const message = `Cannot write "${home.record}": ${messageOf(error)}. After a restart the session may be shown as it was before`;
      log("error", message, { session_id: id });
      return false;
    }
    try {
      await store.sessions.put(row);
      return true;
    } catch (error) {
      const message = `Cannot write session "${id}" into the store: ${messageOf(error)}. The next start reads it from its folder`;
      log("error", message, { session_id: id });
      return false;
    }
  }
}
