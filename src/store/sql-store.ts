/** The store over any database that the query builder speaks to. Its tables are brought to this version's form first. */
import type { Kysely } from "kysely";
import { migrate } from "./migrations.ts";
import { sqlAnswers } from "./sql-answers.ts";
import { sqlChats } from "./sql-chats.ts";
import { sqlOwner } from "./sql-owner.ts";
import { sqlSessions } from "./sql-sessions.ts";
import { sqlTokens } from "./sql-tokens.ts";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

export interface SqlStoreOptions {
  db: Kysely<Tables>;
  /** Which database it is, for who reads a message. */
  place: string;
  /** Resolves when what was committed before is on the disk. */
  settle(): Promise<void>;
}

export async function openSqlStore({ db, place, settle }: SqlStoreOptions): Promise<Store> {
  await migrate(db, place);
  return {
    sessions: sqlSessions(db),
    answers: sqlAnswers(db, settle),
    tokens: sqlTokens(db, settle),
    chats: sqlChats(db, settle),
    ...sqlOwner(db, settle),
    close: () => db.destroy(),
  };
}
