/** Chats in SQL that SQLite and PostgreSQL both understand. */
import type { Kysely, Selectable } from "kysely";
import * as z from "zod";
import type { ChatBook, ChatRow, ChatStep } from "./store.ts";
import type { Tables } from "./tables.ts";

const Fault = z.object({ code: z.string(), message: z.string() });

/** `settle` resolves when what was written before is on the disk. */
export function sqlChats(db: Kysely<Tables>, settle: () => Promise<void>): ChatBook {
  return { ...ofChats(db, settle), ...ofSteps(db, settle), ...ofConversations(db) };
}

type OfChats = Pick<ChatBook, "create" | "find" | "count" | "summaries" | "change" | "remove">;

function ofChats(db: Kysely<Tables>, settle: () => Promise<void>): OfChats {
  return {
    create: async (row, first) => {
      const isNew = await db.transaction().execute(async (changes) => {
        const { numInsertedOrUpdatedRows = 0n } = await changes
          .insertInto("chats")
          .values({ ...row, config: JSON.stringify(row.config) })
          .onConflict((conflict) => conflict.column("name").doNothing())
          .executeTakeFirst();
        if (numInsertedOrUpdatedRows === 0n) return false;
        if (first) await changes.insertInto("chat_steps").values(columnsOf(first)).execute();
        return true;
      });
      if (isNew) await settle();
      return isNew;
    },
    find: async (name) => {
      const found = await db.selectFrom("chats").selectAll().where("name", "=", name).executeTakeFirst();
      return found && rowOf(found);
    },
    count: async () => {
      const { count } = await db
        .selectFrom("chats")
        .select((select) => select.fn.countAll().as("count"))
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    summaries: async () => {
      const rows = await db.selectFrom("chats").selectAll().orderBy("created_at").orderBy("name").execute();
      const counts = await db
        .selectFrom("chat_steps")
        .select((select) => ["chat", "standing", select.fn.countAll().as("count")])
        .where("kind", "!=", "imported")
        .groupBy(["chat", "standing"])
        .execute();
      const counted = new Map(counts.map(({ chat, standing, count }) => [`${standing} ${chat}`, Number(count)]));
      return rows.map((row) => ({
        row: rowOf(row),
        begun: counted.get(`begun ${row.name}`) ?? 0,
        waiting: counted.get(`waiting ${row.name}`) ?? 0,
      }));
    },
    change: async (name, { config, updated_at }) => {
      const changed = { config: JSON.stringify(config), updated_at };
      await db.updateTable("chats").set(changed).where("name", "=", name).execute();
      await settle();
    },
    remove: async (name) => {
      await db.transaction().execute(async (changes) => {
        await changes.deleteFrom("chat_steps").where("chat", "=", name).execute();
        await changes.deleteFrom("chats").where("name", "=", name).execute();
      });
      await settle();
    },
  };
}

type OfSteps = Pick<ChatBook, "steps" | "stepOf" | "waiting" | "add" | "drop" | "begun" | "failed" | "again">;

function ofSteps(db: Kysely<Tables>, settle: () => Promise<void>): OfSteps {
  const add = async (on: Kysely<Tables>, step: ChatStep) => {
    await on.insertInto("chat_steps").values(columnsOf(step)).execute();
    await on.updateTable("chats").set({ last_active_at: step.sent_at }).where("name", "=", step.chat).execute();
  };
  const change = (on: Kysely<Tables>, { chat, position }: Pick<ChatStep, "chat" | "position">) =>
    on.updateTable("chat_steps").where("chat", "=", chat).where("position", "=", position);
  return {
    steps: async (name) => {
      const found = await db
        .selectFrom("chat_steps")
        .selectAll()
        .where("chat", "=", name)
        .orderBy("position")
        .execute();
      return found.map(stepOf);
    },
    stepOf: async (sessionId) => {
      const found = await db
        .selectFrom("chat_steps")
        .selectAll()
        .where("session_id", "=", sessionId)
        .executeTakeFirst();
      return found && stepOf(found);
    },
    waiting: async () => {
      const found = await db.selectFrom("chat_steps").selectAll().where("standing", "=", "waiting").execute();
      return found.map(stepOf);
    },
    add: async (step) => {
      await db.transaction().execute((changes) => add(changes, step));
      await settle();
    },
    drop: async ({ chat, position }) => {
      await db.deleteFrom("chat_steps").where("chat", "=", chat).where("position", "=", position).execute();
      await settle();
    },
    begun: async (step) => {
      await change(db, step).set({ standing: "begun", text: null }).execute();
    },
    failed: async (step, fault) => {
      await change(db, step)
        .set({ standing: "failed", fault: JSON.stringify(fault) })
        .execute();
      await settle();
    },
    again: async (step, sessionId) => {
      await db.transaction().execute(async (changes) => {
        await change(changes, step).set({ standing: "begun", text: null }).execute();
        await add(changes, { ...step, position: step.position + 1, session_id: sessionId });
      });
      await settle();
    },
  };
}

function ofConversations(db: Kysely<Tables>): Pick<ChatBook, "conversations" | "resumable"> {
  const known = () =>
    db
      .selectFrom("chat_steps")
      .innerJoin("sessions", "sessions.id", "chat_steps.session_id")
      .where("sessions.standing", "in", ["live", "ended"])
      .where("sessions.agent_session_id", "is not", null);
  return {
    conversations: async (name) => {
      const found = await known()
        .select(["chat_steps.session_id", "sessions.agent_session_id"])
        .where("chat_steps.chat", "=", name)
        .execute();
      return Object.fromEntries(found.map((one) => [one.session_id, one.agent_session_id ?? ""]));
    },
    resumable: async () => {
      const last = await known()
        .select((select) => ["chat_steps.chat", select.fn.max("chat_steps.position").as("position")])
        .groupBy("chat_steps.chat")
        .execute();
      const ids: string[] = [];
      for (const { chat, position } of last) {
        const found = await db
          .selectFrom("chat_steps")
          .select("session_id")
          .where("chat", "=", chat)
          .where("position", "=", Number(position))
          .executeTakeFirst();
        if (found) ids.push(found.session_id);
      }
      return ids;
    },
  };
}

/** Some drivers of PostgreSQL give 64-bit numbers as text. */
function rowOf({ config, ...row }: Selectable<Tables["chats"]>): ChatRow {
  return {
    ...row,
    config: JSON.parse(config),
    created_at: Number(row.created_at),
    updated_at: Number(row.updated_at),
    last_active_at: row.last_active_at === null ? null : Number(row.last_active_at),
  };
}

function columnsOf(step: ChatStep): Tables["chat_steps"] {
  return { ...step, fault: step.fault && JSON.stringify(step.fault) };
}

function stepOf({ fault, ...step }: Selectable<Tables["chat_steps"]>): ChatStep {
  return { ...step, fault: fault === null ? null : Fault.parse(JSON.parse(fault)), sent_at: Number(step.sent_at) };
}
