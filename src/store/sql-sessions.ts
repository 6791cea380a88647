/** The index of sessions in SQL that SQLite and PostgreSQL both understand. */
import type { Insertable, Kysely, SelectQueryBuilder } from "kysely";
import * as z from "zod";
import type { Page, SessionFilter, SessionIndex, SessionRow } from "./store.ts";
import type { SessionColumns, Tables } from "./tables.ts";

const Tags = z.record(z.string(), z.string());
/** Ids in one statement: databases take only so many parameters. */
const idsAtOnce = 500;
/** Sessions that one question about old ones finds; who wants more asks again. */
const rowsMax = 1000;

export function sqlSessions(db: Kysely<Tables>): SessionIndex {
  const rowWhere = async (query: SelectQueryBuilder<Tables, "sessions", SessionColumns>) => {
    const found = await query.limit(1).executeTakeFirst();
    return found && rowOf(found);
  };
  const ended = () => db.selectFrom("sessions").selectAll().where("standing", "=", "ended");
  return {
    put: (row) => put(db, row),
    byId: (id) => rowWhere(db.selectFrom("sessions").selectAll().where("id", "=", id)),
    findEnded: async (ref) =>
      (await rowWhere(ended().where("id", "=", ref))) ??
      (await rowWhere(ended().where("name", "=", ref).orderBy("created_at", "desc"))),
    findConversation: (id) => rowWhere(ended().where("agent_session_id", "=", id).orderBy("created_at", "desc")),
    ownerOf: async (name) => {
      const owner = await db
        .selectFrom("sessions")
        .select("id")
        .where("standing", "in", ["live", "ended"])
        .where((is) => is.or([is("id", "=", name), is("name", "=", name)]))
        .limit(1)
        .executeTakeFirst();
      return owner?.id;
    },
    isHomeUsed: async (homeOf, besides) =>
      (await rowWhere(
        db
          .selectFrom("sessions")
          .selectAll()
          .where("home_of", "=", homeOf)
          .where("id", "!=", besides)
          .where("standing", "in", ["live", "ended"]),
      )) !== undefined,
    pageEnded: (filter, page) => pageEnded(ended(), filter, page),
    history: async (limit) => {
      const found = await db
        .selectFrom("sessions")
        .selectAll()
        .where("standing", "!=", "live")
        .orderBy("ended_at", (order) => order.desc().nullsLast())
        .orderBy("id")
        .limit(limit)
        .execute();
      return found.map(rowOf);
    },
    standings: async (only) => {
      const all = db.selectFrom("sessions").select(["id", "standing", "log_bytes"]);
      const rows = await (only === undefined ? all : all.where("standing", "=", only)).execute();
      return rows.map(({ log_bytes, ...row }) => ({ ...row, log_bytes: Number(log_bytes) }));
    },
    beyond: (policy) => beyond(db, policy),
    endedBefore: (time, afterId) => endedBefore(db, time, afterId),
    setStanding: async (id, standing) => {
      await db.updateTable("sessions").set({ standing }).where("id", "=", id).execute();
    },
    drop: async (ids) => {
      for (let at = 0; at < ids.length; at += idsAtOnce) {
        const some = ids.slice(at, at + idsAtOnce);
        await db.deleteFrom("session_tags").where("session_id", "in", some).execute();
        await db.deleteFrom("sessions").where("id", "in", some).execute();
      }
    },
  };
}

async function beyond(db: Kysely<Tables>, policy: Parameters<SessionIndex["beyond"]>[0]): Promise<SessionRow[]> {
  const { count, endedBefore: time } = policy;
  const past = db
    .selectFrom("sessions")
    .selectAll()
    .where("standing", "in", ["ended", "removed"])
    .orderBy("ended_at", (order) => order.desc().nullsLast())
    .orderBy("id");
  const found = new Map<string, SessionRow>();
  // SQLite takes an offset only with a limit.
  if (count !== undefined)
    for (const row of await past.limit(rowsMax).offset(count).execute()) found.set(row.id, rowOf(row));
  if (time !== undefined)
    for (const row of await past.where("ended_at", "<", time).limit(rowsMax).execute()) found.set(row.id, rowOf(row));
  return [...found.values()];
}

async function endedBefore(db: Kysely<Tables>, time: number, afterId: string | undefined): Promise<SessionRow[]> {
  const old = db
    .selectFrom("sessions")
    .selectAll()
    .where("standing", "in", ["ended", "removed"])
    .where("ended_at", "<", time);
  const next = afterId === undefined ? old : old.where("id", ">", afterId);
  return (await next.orderBy("id").limit(rowsMax).execute()).map(rowOf);
}

async function put(db: Kysely<Tables>, row: SessionRow): Promise<void> {
  const columns = columnsOf(row);
  const { id: _id, ...changes } = columns;
  const tags = Object.entries(row.tags).map(([key, value]) => ({ session_id: row.id, key, value }));
  // Tags first: a session that is listed can be found by them.
  if (tags.length > 0)
    await db
      .insertInto("session_tags")
      .values(tags)
      .onConflict((conflict) => conflict.columns(["session_id", "key"]).doNothing())
      .execute();
  await db
    .insertInto("sessions")
    .values(columns)
    .onConflict((conflict) => conflict.column("id").doUpdateSet(changes))
    .execute();
}

async function pageEnded(
  all: SelectQueryBuilder<Tables, "sessions", SessionColumns>,
  filter: SessionFilter,
  { after, order, limit }: Page,
): Promise<SessionRow[]> {
  let query = all;
  const { status, agent, workDir, taskId, idPrefix, since, until } = filter;
  if (status !== undefined) query = query.where("status", "=", status);
  if (agent !== undefined) query = query.where("agent", "=", agent);
  if (workDir !== undefined) query = query.where("work_dir", "=", workDir);
  if (taskId !== undefined) query = query.where("task_id", "=", taskId);
  if (since !== undefined) query = query.where("created_at", ">=", since);
  if (until !== undefined) query = query.where("created_at", "<", until);
  // Ids are letters, digits and dashes: nothing in one means something in a pattern.
  if (idPrefix !== undefined) query = query.where("id", "like", `${idPrefix}%`);
  for (const [key, value] of Object.entries(filter.tags ?? {}))
    query = query.where((is) =>
      is.exists(
        is
          .selectFrom("session_tags")
          .select("session_tags.key")
          .whereRef("session_tags.session_id", "=", "sessions.id")
          .where("session_tags.key", "=", key)
          .where("session_tags.value", "=", value),
      ),
    );
  const isLater = order === "oldest" ? ">" : "<";
  if (after !== undefined)
    query = query.where((is) =>
      is.or([
        is("created_at", isLater, after.created_at),
        is.and([is("created_at", "=", after.created_at), is("id", isLater, after.id)]),
      ]),
    );
  const direction = order === "oldest" ? "asc" : "desc";
  const found = await query.orderBy("created_at", direction).orderBy("id", direction).limit(limit).execute();
  return found.map(rowOf);
}

function columnsOf(row: SessionRow): Insertable<SessionColumns> {
  return { ...row, interactive: row.interactive ? 1 : 0, tags: JSON.stringify(row.tags) };
}

/** Some drivers of PostgreSQL give 64-bit numbers as text. */
function rowOf(columns: SessionColumns): SessionRow {
  return {
    ...columns,
    interactive: columns.interactive !== 0,
    tags: Tags.parse(JSON.parse(columns.tags)),
    created_at: numberOf(columns.created_at),
    ended_at: numberOf(columns.ended_at),
    last_activity: numberOf(columns.last_activity),
    log_bytes: Number(columns.log_bytes),
    last_seq: Number(columns.last_seq),
    input_tokens: Number(columns.input_tokens),
    output_tokens: Number(columns.output_tokens),
  };
}

function numberOf(value: number | null): number | null {
  return value === null ? null : Number(value);
}
