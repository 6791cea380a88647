/** Lists of sessions: live ones from memory, where they are exact, ended ones from the store, as one. */
import { AgentdError } from "../protocol/error.ts";
import type { SessionSpec } from "../protocol/session.ts";
import type { Page, Place, SessionFilter, SessionRow } from "../store/store.ts";
import type { Context } from "./context.ts";
import { type Entry, rowOf } from "./entry.ts";
import { indexForeignLogs } from "./foreign-logs.ts";
import type { Unreadable } from "./unreadables.ts";

/** A session in a list. */
export interface Listed {
  row: SessionRow;
  /** The session itself while it is held in memory. */
  entry: Entry | undefined;
  /** What it was asked for, where that was looked up. */
  spec: SessionSpec | undefined;
  /** Why the daemon could not read it, when it could not. */
  unreadable?: string;
}

export function listedOf(entry: Entry): Listed {
  return { row: rowOf(entry), entry, spec: entry.session.spec };
}

export function listedUnreadable({ row, reason }: Unreadable): Listed {
  return { row, entry: undefined, spec: undefined, unreadable: reason };
}

export interface ListQuery extends SessionFilter {
  /** Live ones, ended ones, or both. */
  standing?: "live" | "ended" | undefined;
  order: Page["order"];
  limit: number;
  /** Id of the session behind which the page begins. */
  after?: string | undefined;
}

type ListContext = Pick<Context, "registry" | "unreadables" | "store">;

/** The sessions that fit, and the id behind which the next page begins when there is one. */
export async function listSessions(
  context: ListContext,
  query: ListQuery,
): Promise<{ page: Listed[]; next: string | undefined }> {
  const { order, limit } = query;
  const after = query.after === undefined ? undefined : await placeOf(context, query.after);
  // One that ends from here on is listed as it was: its row in the store is left out, whenever it came there.
  const entries = context.registry.all();
  const unreadables = context.unreadables.all();
  const ids = new Set([...entries.map(({ session }) => session.id), ...context.unreadables.ids()]);
  const listed = [...entries.map(listedOf), ...unreadables.map(listedUnreadable)];
  const held = listed.filter(({ row }) => fits(row, query) && (!after || isBehind(row, after, order)));
  const ended =
    query.standing === "live" ? [] : await endedBesides(ids, context, query, { after, order, limit: limit + 1 });
  const all = [...held, ...ended].sort((a, b) => compare(a.row, b.row, order));
  const page = all.slice(0, limit);
  return { page, next: page.length < all.length ? page.at(-1)?.row.id : undefined };
}

/** All that have a log, newest end first, those without one last. */
export async function listHistory({ config, store, registry }: Context, limit: number): Promise<SessionRow[]> {
  await indexForeignLogs(config.dataDir, store.sessions);
  const held = registry.all().map(rowOf);
  const ids = new Set(held.map(({ id }) => id));
  const rest = (await store.sessions.history(limit + held.length)).filter(({ id }) => !ids.has(id));
  return [...held, ...rest].sort((a, b) => (b.ended_at ?? 0) - (a.ended_at ?? 0)).slice(0, limit);
}

async function placeOf({ registry, unreadables, store }: ListContext, id: string): Promise<Place> {
  const entry = registry.find(id);
  const row = entry ? rowOf(entry) : (unreadables.find(id)?.row ?? (await store.sessions.byId(id)));
  if (row && row.created_at !== null) return { created_at: row.created_at, id: row.id };
  throw new AgentdError(
    "invalid_request",
    `Cannot list what follows ${JSON.stringify(id.slice(0, 80))}: no session of that id is known. Begin again without after`,
  );
}

async function endedBesides(
  held: ReadonlySet<string>,
  { store }: ListContext,
  filter: ListQuery,
  page: Page,
): Promise<Listed[]> {
  const found: SessionRow[] = [];
  let { after } = page;
  for (;;) {
    const limit = page.limit - found.length;
    const rows = await store.sessions.pageEnded(filter, { ...page, after, limit });
    found.push(...rows.filter(({ id }) => !held.has(id)));
    const last = rows.at(-1);
    if (rows.length < limit || !last) break;
    after = { created_at: last.created_at ?? 0, id: last.id };
    if (found.length >= page.limit) break;
  }
  return found.map((row) => ({ row, entry: undefined, spec: undefined }));
}

function fits(row: SessionRow, filter: ListQuery): boolean {
  const { status, agent, workDir, taskId, idPrefix, since, until } = filter;
  const createdAt = row.created_at ?? 0;
  return (
    (filter.standing === undefined || row.standing === filter.standing) &&
    (status === undefined || row.status === status) &&
    (agent === undefined || row.agent === agent) &&
    (workDir === undefined || row.work_dir === workDir) &&
    (taskId === undefined || row.task_id === taskId) &&
    (idPrefix === undefined || row.id.startsWith(idPrefix)) &&
    (since === undefined || createdAt >= since) &&
    (until === undefined || createdAt < until) &&
    Object.entries(filter.tags ?? {}).every(([key, value]) => row.tags[key] === value)
  );
}

function isBehind(row: SessionRow, place: Place, order: Page["order"]): boolean {
  return compare(row, { ...row, created_at: place.created_at, id: place.id }, order) > 0;
}

function compare(a: SessionRow, b: SessionRow, order: Page["order"]): number {
  const oldestFirst = (a.created_at ?? 0) - (b.created_at ?? 0) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  return order === "oldest" ? oldestFirst : -oldestFirst;
}
