import { expect, test } from "vitest";
import { rowOf } from "../../../src/supervisor/entry.ts";
import { type ListQuery, listSessions } from "../../../src/supervisor/listing.ts";
import { Unreadables } from "../../../src/supervisor/unreadables.ts";
import { heldEntry } from "./ended-entry.ts";

const all: ListQuery = { order: "oldest", limit: 10 };

test("a session whose end is not in the store yet is listed with those that have ended, and only there", async () => {
  const held = await heldEntry();
  const { id } = held.entry.session;
  const idsOf = async (query: ListQuery) =>
    (await listSessions({ ...held, unreadables: new Unreadables() }, query)).page.map(({ row }) => row.id);
  expect(await idsOf({ ...all, standing: "ended" })).toEqual([id]);
  expect(await idsOf({ ...all, standing: "live" })).toEqual([]);
  expect(await idsOf(all)).toEqual([id]);
});

test("a session that is let go of while the store is asked is listed once", async () => {
  const held = await heldEntry();
  const { id } = held.entry.session;
  held.before.pageEnded = async () => {
    await held.store.sessions.put(rowOf(held.entry));
    held.registry.drop(id);
  };
  expect((await listSessions({ ...held, unreadables: new Unreadables() }, all)).page.map(({ row }) => row.id)).toEqual([
    id,
  ]);
});
