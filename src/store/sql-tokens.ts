/** Tokens in SQL that SQLite and PostgreSQL both understand. */
import type { Kysely } from "kysely";
import type { TokenBook } from "./store.ts";
import type { Tables } from "./tables.ts";

/** `settle` resolves when what was written before is on the disk. */
export function sqlTokens(db: Kysely<Tables>, settle: () => Promise<void>): TokenBook {
  return {
    all: async () => {
      const rows = await db.selectFrom("tokens").selectAll().orderBy("created_at").orderBy("name").execute();
      // Some drivers of PostgreSQL give 64-bit numbers as text.
      return rows.map(({ created_at, expires_at, ...row }) => ({
        ...row,
        created_at: Number(created_at),
        expires_at: expires_at === null ? null : Number(expires_at),
      }));
    },
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
