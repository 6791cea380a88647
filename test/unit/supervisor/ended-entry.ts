/** A session that has ended and is still held, beside a real store whose next write or question can be held up. */
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Config, loadConfig } from "../../../src/config.ts";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import type { SessionIndex, Store } from "../../../src/store/store.ts";
import { Books } from "../../../src/supervisor/books.ts";
import { type Entry, endedEntry } from "../../../src/supervisor/entry.ts";
import { Registry } from "../../../src/supervisor/registry.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { makeSession } from "../session/make-session.ts";

export interface Held {
  config: Config;
  registry: Registry;
  store: Store;
  books: Books;
  entry: Entry;
  /** What is done before each call of the index; by default nothing. */
  before: { put(): Promise<void>; pageEnded(): Promise<void> };
}

export async function heldEntry(): Promise<Held> {
  const dir = await tempDir();
  const made = await makeSession();
  // Its folder is <data dir>/sessions/<id>.
  const config = loadConfig({ flags: { dataDir: join(made.home.dir, "..", "..") }, environment: {} });
  const opened = await openSqliteStore({ path: join(dir.path, "state.db"), isSynced: false });
  onTestFinished(async () => {
    await opened.close();
    await made.remove();
    await dir.remove();
  });
  const before = { put: async () => undefined, pageEnded: async () => undefined };
  const sessions: SessionIndex = {
    ...opened.sessions,
    put: async (row) => {
      await before.put();
      await opened.sessions.put(row);
    },
    pageEnded: async (filter, page) => {
      await before.pageEnded();
      return opened.sessions.pageEnded(filter, page);
    },
  };
  const store: Store = { ...opened, sessions };
  const registry = new Registry({ sessions: 0, sessionsOfOne: 0 });
  const { session } = made;
  session.apply({ type: "launched", isAdopted: false });
  session.apply({ type: "ended", reason: "finished", exitCode: 0, endedAt: 1 });
  await session.seal();
  const entry = endedEntry(session);
  registry.add(entry);
  const books = new Books({ store, registry, log: () => undefined, isClosing: () => false });
  return { config, registry, store, books, entry, before };
}
