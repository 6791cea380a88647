import { mkdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { history } from "../../../src/api/history.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir();
  await mkdir(join(dir.path, "logs"));
});
afterEach(async () => {
  await dir.remove();
});

const start = 1_700_000_000_000;

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
  const found = async (limit: number) => (await history(dir.path, [], limit)).map((entry) => entry.session_id);
  expect(await found(1)).toEqual(["a59"]);
  expect(await found(4)).toEqual(["a59", "a58", "touched", "a57"]);
  expect(await found(1000)).toHaveLength(81);
});

test("what cannot be read, is no log or tells an impossible time does not hide the others", async () => {
  await log("good", 1, 1);
  await mkdir(join(dir.path, "logs", "folder.ndjson"));
  await symlink("nowhere", join(dir.path, "logs", "gone.ndjson"));
  await writeFile(join(dir.path, "logs", "odd.ndjson"), '{"type":"result","timestamp":1e300}\n');
  const found = await history(dir.path, [], 10);
  expect(found.map((entry) => entry.session_id).sort()).toEqual(["good", "odd"]);
});
