/** How the tables came to be, step by step. A step that was released is never changed. */
import { type Kysely, type Migration, Migrator } from "kysely";
import { AgentdError, messageOf } from "../protocol/error.ts";
import type { Tables } from "./tables.ts";

/** By name, which is their order. */
const migrations: Readonly<Record<string, Migration>> = {
  "0001-sessions-and-answers": {
    async up(db) {
      await db.schema
        .createTable("sessions")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("standing", "text", (column) => column.notNull())
        .addColumn("name", "text")
        .addColumn("task_id", "text")
        .addColumn("agent", "text")
        .addColumn("runtime", "text")
        .addColumn("status", "text")
        .addColumn("interactive", "integer", (column) => column.notNull())
        .addColumn("work_dir", "text")
        .addColumn("agent_home", "text")
        .addColumn("home_of", "text")
        .addColumn("permission_mode", "text")
        .addColumn("model", "text")
        .addColumn("agent_session_id", "text")
        .addColumn("tags", "text", (column) => column.notNull())
        .addColumn("created_at", "bigint")
        .addColumn("ended_at", "bigint")
        .addColumn("last_activity", "bigint")
        .addColumn("end_reason", "text")
        .addColumn("exit_code", "integer")
        .addColumn("log_bytes", "bigint", (column) => column.notNull())
        .addColumn("last_seq", "bigint", (column) => column.notNull())
        .addColumn("turns", "integer", (column) => column.notNull())
        .addColumn("tool_calls", "integer", (column) => column.notNull())
        .addColumn("input_tokens", "bigint", (column) => column.notNull())
        .addColumn("output_tokens", "bigint", (column) => column.notNull())
        .addColumn("cost_usd", "double precision")
        .execute();
      const indexes: [string, string[]][] = [
        ["sessions_by_creation", ["standing", "created_at", "id"]],
        ["sessions_by_end", ["ended_at", "id"]],
        ["sessions_by_name", ["name"]],
        ["sessions_by_conversation", ["agent_session_id"]],
        ["sessions_by_home", ["home_of"]],
      ];
      for (const [name, columns] of indexes)
        await db.schema.createIndex(name).on("sessions").columns(columns).execute();
      await db.schema
        .createTable("session_tags")
        .addColumn("session_id", "text", (column) => column.notNull())
        .addColumn("key", "text", (column) => column.notNull())
        .addColumn("value", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("session_tags_key", ["session_id", "key"])
        .execute();
      await db.schema.createIndex("session_tags_by_value").on("session_tags").columns(["key", "value"]).execute();
      await db.schema
        .createTable("answers")
        .addColumn("scope", "text", (column) => column.notNull())
        .addColumn("key", "text", (column) => column.notNull())
        .addColumn("body_hash", "text", (column) => column.notNull())
        .addColumn("intent", "text", (column) => column.notNull())
        .addColumn("claimed_at", "bigint", (column) => column.notNull())
        .addColumn("status", "integer")
        .addColumn("body", "text")
        .addPrimaryKeyConstraint("answers_key", ["scope", "key"])
        .execute();
      await db.schema.createIndex("answers_by_age").on("answers").columns(["claimed_at"]).execute();
    },
  },
  "0002-tokens": {
    async up(db) {
      await db.schema
        .createTable("tokens")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("id", "text", (column) => column.notNull().unique())
        .addColumn("scope", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint")
        .execute();
    },
  },
  "0003-owner": {
    async up(db) {
      await db.schema
        .createTable("owner")
        .addColumn("data_dir_id", "text", (column) => column.notNull())
        .execute();
    },
  },
  "0004-chats": {
    async up(db) {
      await db.schema
        .createTable("chats")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("config", "text", (column) => column.notNull())
        .addColumn("folder", "text", (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("updated_at", "bigint", (column) => column.notNull())
        .addColumn("last_active_at", "bigint")
        .addColumn("request", "text")
        .execute();
      await db.schema
        .createTable("chat_steps")
        .addColumn("chat", "text", (column) => column.notNull())
        .addColumn("position", "integer", (column) => column.notNull())
        .addColumn("session_id", "text", (column) => column.notNull().unique())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("standing", "text", (column) => column.notNull())
        .addColumn("text", "text")
        .addColumn("fault", "text")
        .addColumn("conversation", "text")
        .addColumn("sent_at", "bigint", (column) => column.notNull())
        .addColumn("sent_by", "text")
        .addPrimaryKeyConstraint("chat_steps_key", ["chat", "position"])
        .execute();
    },
  },
};

/** What the newest one is called stands in the changelog: an older version does not start behind it. */
export const storeSteps: readonly string[] = Object.keys(migrations);

/** Brings the tables to this version's form. Throws when a newer version made them, and changes nothing then. */
export async function migrate(db: Kysely<Tables>, place: string): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const unknown = await unknownMigrations(db);
  if (unknown.length > 0)
    throw new AgentdError(
      "store_failed",
      `Cannot use the store in ${place}: a newer agentd made it (it knows ${unknown.join(", ")}). Start that version again; or run "agentd reindex", which puts the store aside and makes a new one from the sessions' folders, without its idempotency keys, tokens and chats`,
      { details: { is_unusable: true } },
    );
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const failed = results?.find(({ status }) => status === "Error")?.migrationName;
  throw new Error(`${failed === undefined ? "" : `step ${failed}: `}${messageOf(error)}`, { cause: error });
}

async function unknownMigrations(db: Kysely<Tables>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === "kysely_migration")) return [];
  const done = await db
    .withTables<{ kysely_migration: { name: string } }>()
    .selectFrom("kysely_migration")
    .select("name")
    .execute();
  return done.map(({ name }) => name).filter((name) => !(name in migrations));
}
