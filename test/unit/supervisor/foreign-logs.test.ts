import { appendFile, mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import type { Store } from "../../../src/store/store.ts";
import { indexForeignLogs } from "../../../src/supervisor/foreign-logs.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

let dir: TempDir;
let store: Store;
beforeEach(async () => {
  dir = await tempDir();
  await mkdir(join(dir.path, "logs"));
  store = await openSqliteStore({ path: join(dir.path, "state.db"), isSynced: true });
});
afterEach(async () => {
  await store.close();
  await dir.remove();
});

const start = 1_700_000_000_000;

async function found(limit: number): Promise<string[]> {
  await indexForeignLogs(dir.path, store.sessions);
  return (await store.sessions.history(limit)).map(({ id }) => id);
}

/** A log that ended at a minute, or never, and whose file was changed at another. */
async function log(name: string, endedAt: number | undefined, changedAt: number): Promise<void> {
  const path = join(dir.path, "logs", `${name}.ndjson`);
  const type = endedAt === undefined ? "agent_message" : "result";
  await writeFile(path, `${JSON.stringify({ type, timestamp: start + (endedAt ?? 0) * 60_000, data: {} })}\n`);
  const changed = new Date(start + changedAt * 60_000);
  await utimes(path, changed, changed);
}

test("the newest ends come first, also when other files were changed later", async () => {
  for (let minute = 0; minute < 60; minute++) await log(`a${minute}`, minute, minute);
  // Touched after all others: one that ended early, and twenty that never did.
  await log("touched", 57.5, 100);
  for (let i = 0; i < 20; i++) await log(`open${i}`, undefined, 200 + i);
  expect(await found(1)).toEqual(["a59"]);
  expect(await found(4)).toEqual(["a59", "a58", "touched", "a57"]);
  expect(await found(1000)).toHaveLength(81);
});

test("what cannot be read, is no log or tells an impossible time does not hide the others", async () => {
  await log("good", 1, 1);
  await mkdir(join(dir.path, "logs", "folder.ndjson"));
  await symlink("nowhere", join(dir.path, "logs", "gone.ndjson"));
  await writeFile(join(dir.path, "logs", "odd.ndjson"), '{"type":"result","timestamp":1e300}\n');
  expect((await found(10)).sort()).toEqual(["good", "odd"]);
});

test("one that has grown is read again, and one that is gone is forgotten", async () => {
  await log("grows", undefined, 1);
  await log("goes", 1, 1);
  expect(await found(10)).toEqual(["goes", "grows"]);
  await appendFile(join(dir.path, "logs", "grows.ndjson"), '{"type":"result","timestamp":1700000000000,"data":{}}\n');
  await rm(join(dir.path, "logs", "goes.ndjson"));
  expect(await found(10)).toEqual(["grows"]);
  expect(await store.sessions.byId("grows")).toMatchObject({ standing: "foreign", ended_at: 1_700_000_000_000 });
});
