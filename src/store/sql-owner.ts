/** Whose store it is, in SQL that SQLite and PostgreSQL both understand. */
import type { Kysely } from "kysely";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

export function sqlOwner(db: Kysely<Tables>, settle: () => Promise<void>): Pick<Store, "owner" | "claim"> {
  return {
    owner: async () => (await db.selectFrom("owner").select("data_dir_id").executeTakeFirst())?.data_dir_id,
    claim: async (id, { keepsOwned }) => {
      await db.transaction().execute(async (changes) => {
        await changes.deleteFrom("session_tags").execute();
        await changes.deleteFrom("sessions").execute();
        if (!keepsOwned) {
          await changes.deleteFrom("answers").execute();
          await changes.deleteFrom("tokens").execute();
          await changes.deleteFrom("chat_steps").execute();
          await changes.deleteFrom("chats").execute();
        }
        await changes.deleteFrom("owner").execute();
        await changes.insertInto("owner").values({ data_dir_id: id }).execute();
      });
      await settle();
    },
  };
}
