/** Tokens in SQL that SQLite and PostgreSQL both understand. */
import type { Kysely } from "kysely";
import type { TokenBook } from "./store.ts";
import type { Tables } from "./tables.ts";

/** `settle` resolves when what was written before is on the disk. */
export function sqlTokens(db: Kysely<Tables>, settle: () => Promise<void>): TokenBook {
  return {
    all: () => db.selectFrom("tokens").selectAll().orderBy("created_at").orderBy("name").execute(),
    put: async (row) => {
      const { name: _name, ...changes } = row;
      await db
        .insertInto("tokens")
        .values(row)
        .onConflict((conflict) => conflict.column("name").doUpdateSet(changes))
        .execute();
      await settle();
    },
    remove: async (name) => {
      await db.deleteFrom("tokens").where("name", "=", name).execute();
      await settle();
    },
  };
}
