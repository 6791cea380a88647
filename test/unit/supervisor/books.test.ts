import { setImmediate as soon } from "node:timers/promises";
import { expect, test } from "vitest";
import { readRecord } from "../../../src/session/record.ts";
import { TurnQueue } from "../../../src/session/turn-queue.ts";
import { Attendance } from "../../../src/supervisor/attendance.ts";
import { heldEntry } from "./ended-entry.ts";

test("a session that ends while its record is being written is not ended in the index before it is in the record", async () => {
  const { books, entry, store } = await heldEntry();
  entry.attendance = new Attendance({
    session: entry.session,
    queue: new TurnQueue(),
    hookAllowance: { startMs: 0, endMs: 0 },
    queueLengthMax: 1,
    harness: "generic",
    drainSpool: async () => undefined,
    sweep: async () => undefined,
    onChanged: () => undefined,
    onMet: async () => undefined,
    onGrown: () => undefined,
    onFault: () => undefined,
    onEnded: () => undefined,
  });
  books.save(entry);
  // The record is on its way to the disk, which takes several turns of the loop; the end is told in between.
  await soon();
  entry.attendance = undefined;
  await entry.saving;
  expect((await readRecord(entry.session.home.record)).ended).toBeUndefined();
  expect(await store.sessions.standings()).toMatchObject([{ standing: "live" }]);
  books.close(entry, async () => undefined);
  await entry.saving;
  expect((await readRecord(entry.session.home.record)).ended).toMatchObject({ status: "completed" });
  expect(await store.sessions.standings()).toMatchObject([{ standing: "ended" }]);
});
