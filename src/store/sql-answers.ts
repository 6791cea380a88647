/** Answers to idempotency keys, in SQL that SQLite and PostgreSQL both understand. */
import type { Kysely } from "kysely";
import type { AnswerBook, EarlierClaim } from "./store.ts";
import type { Tables } from "./tables.ts";

/** `settle` resolves when what was written before is on the disk. */
export function sqlAnswers(db: Kysely<Tables>, settle: () => Promise<void>): AnswerBook {
  return {
    claim: async ({ scope, key }, { bodyHash, intent, at }) => {
      const { numInsertedOrUpdatedRows = 0n } = await db
        .insertInto("answers")
        .values({
          scope,
          key,
          body_hash: bodyHash,
          intent: JSON.stringify(intent),
          claimed_at: at,
          status: null,
          body: null,
        })
        .onConflict((conflict) => conflict.columns(["scope", "key"]).doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows === 0n) return earlier(db, { scope, key });
      await settle();
      return undefined;
    },
    keep: async ({ scope, key }, { status, body }) => {
      await db
        .updateTable("answers")
        .set({ status, body: JSON.stringify(body) })
        .where("scope", "=", scope)
        .where("key", "=", key)
        .execute();
      await settle();
    },
    release: async ({ scope, key }) => {
      await db.deleteFrom("answers").where("scope", "=", scope).where("key", "=", key).execute();
    },
    forget: async ({ before, countMax }) => {
      await db.deleteFrom("answers").where("claimed_at", "<", before).execute();
      const oldest = await db
        .selectFrom("answers")
        .select("claimed_at")
        .orderBy("claimed_at", "desc")
        .offset(countMax)
        .limit(1)
        .executeTakeFirst();
      if (oldest) await db.deleteFrom("answers").where("claimed_at", "<=", oldest.claimed_at).execute();
    },
  };
}

async function earlier(db: Kysely<Tables>, key: { scope: string; key: string }): Promise<EarlierClaim | undefined> {
  const found = await db
    .selectFrom("answers")
    .selectAll()
    .where("scope", "=", key.scope)
    .where("key", "=", key.key)
    .executeTakeFirst();
  // Released in the same moment: whoever asks now finds it free at the next attempt.
  if (!found) throw new Error("the key was released while it was looked at");
  return {
    bodyHash: found.body_hash,
    intent: JSON.parse(found.intent),
    answer:
      found.status === null || found.body === null ? undefined : { status: found.status, body: JSON.parse(found.body) },
  };
}
