/** The databases that the store is held to: SQLite in a file, as the daemon opens it, and PostgreSQL. */
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import {
  Kysely,
  type PostgresCursor,
  PostgresDialect,
  type PostgresPoolClient,
  type PostgresQueryResult,
} from "kysely";
import { openSqlStore } from "../../../src/store/sql-store.ts";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import type { Store } from "../../../src/store/store.ts";
import type { Tables } from "../../../src/store/tables.ts";
import { tempDir } from "../../support/temp-dir.ts";

export interface TestedDatabase {
  /** Opens the store, a second time too: what was in it is there. */
  open(): Promise<Store>;
  remove(): Promise<void>;
}

export const databases = { SQLite: sqlite, PostgreSQL: postgres } satisfies Record<
  string,
  () => Promise<TestedDatabase>
>;

async function sqlite(): Promise<TestedDatabase> {
  const dir = await tempDir();
  return {
    open: () => openSqliteStore({ path: join(dir.path, "state.db"), isSynced: true }),
    remove: () => dir.remove(),
  };
}

/** One for all: it takes seconds to begin. */
let server: Promise<PGlite> | undefined;

/** PostgreSQL's own program, compiled to run within Node; spoken to in the dialect that a server is spoken to in. */
async function postgres(): Promise<TestedDatabase> {
  // As the package "pg" does: 64-bit numbers (type 20) come as text.
  server ??= PGlite.create({ parsers: { 20: (text) => text } });
  const postgres = await server;
  return {
    open: async () => {
      const pool = { connect: async () => connectionTo(postgres), end: async () => {} };
      const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
      return openSqlStore({ db, place: "the PostgreSQL of this test", settle: async () => {} });
    },
    remove: async () => {
      await postgres.exec("drop schema public cascade; create schema public");
    },
  };
}

export async function closeDatabases(): Promise<void> {
  await (await server)?.close();
  server = undefined;
}

function connectionTo(postgres: PGlite): PostgresPoolClient {
  function query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  function query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  function query<R>(what: string | PostgresCursor<R>, parameters: readonly unknown[] = []) {
    return typeof what === "string" ? answerOf<R>(postgres, what, parameters) : what;
  }
  return { query, release: () => undefined };
}

async function answerOf<R>(
  postgres: PGlite,
  sql: string,
  parameters: readonly unknown[],
): Promise<PostgresQueryResult<R>> {
  const { rows, affectedRows = 0 } = await postgres.query<R>(sql, [...parameters]);
  const command = commandOf(sql);
  return { command, rowCount: command === "SELECT" ? rows.length : affectedRows, rows };
}

function commandOf(sql: string): PostgresQueryResult<unknown>["command"] {
  const word = /^\w+/.exec(sql.trim())?.[0]?.toUpperCase();
  return word === "INSERT" || word === "UPDATE" || word === "DELETE" ? word : "SELECT";
}
