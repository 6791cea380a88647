import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
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
  const removed = removeSession(held, entry);
  // Longer than a removal takes that waits for nobody.
  await Promise.race([removed, delay(300)]);
  letGo();
  await removed;
  await entry.saving;
  expect(registry.find(id)).toBeUndefined();
  expect(await store.sessions.standings()).toMatchObject([{ id, standing: "removed" }]);
  expect(existsSync(home.record)).toBe(false);
});
