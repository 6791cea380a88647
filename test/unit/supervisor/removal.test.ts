import { existsSync } from "node:fs";
import { setImmediate as nextRound } from "node:timers/promises";
import { expect, test } from "vitest";
import { removeSession } from "../../../src/supervisor/removal.ts";
import { eventually } from "../../support/eventually.ts";
import { heldEntry } from "./ended-entry.ts";

test("a session that is deleted while its end is being written once more does not come back", async () => {
  const held = await heldEntry();
  const { registry, store, books, entry } = held;
  const { id, home } = entry.session;
  let writes = 0;
  let letGo: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  held.before.put = async () => {
    writes++;
    if (writes === 1) throw new Error("the store is busy");
    await gate;
  };
  books.close(entry, async () => undefined);
  await eventually(() => writes === 2, { what: "the second attempt" });
  let hasAsked = false;
  let hasBegun = false;
  const inTurn = books.inTurn.bind(books);
  books.inTurn = (of, act) => {
    hasAsked = true;
    return inTurn(of, () => {
      hasBegun = true;
      return act();
    });
  };
  const removed = removeSession(held, entry);
  await eventually(() => hasAsked, { what: "the removal's wish for its turn" });
  // One that waited for nobody would be at work by now.
  await nextRound();
  expect(hasBegun).toBe(false);
  letGo();
  await removed;
  await entry.saving;
  expect(registry.find(id)).toBeUndefined();
  expect(await store.sessions.standings()).toMatchObject([{ id, standing: "removed" }]);
  expect(existsSync(home.record)).toBe(false);
});
