/** The audit log on a disk that does not take an entry for a while. */
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AuditLog } from "../../../src/access/audit-log.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";
import { canMount, mountSmallDisk } from "../../torture/small-disk.ts";

let dir: TempDir;
let log: AuditLog;
const faults: unknown[] = [];
const by = { from: "127.0.0.1", by: "http" } as const;
const refuse = (caller = "reader") => log.note({ ...by, caller, act: "create", error: "insufficient_scope" });
const change = () => log.note({ ...by, caller: "ci", act: "stop" });
const open = async (dataDir = dir.path) => {
  log = await AuditLog.open({ dataDir, onFault: (error) => faults.push(error) });
};
const seqs = async () => (await log.read({ limit: 100 })).map(({ seq }) => seq);

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  faults.length = 0;
  dir = await tempDir();
  await open();
});
afterEach(async () => {
  vi.useRealTimers();
  await log.close();
  await dir.remove();
});

/** No entry gets into a file while a folder stands there. */
async function noteWhileBlocked(name: string, note: () => void): Promise<void> {
  mkdirSync(join(dir.path, name));
  note();
  await expect(log.read({ limit: 100 })).rejects.toThrow("EISDIR");
  expect(faults).toHaveLength(1);
}
const unblock = (name: string) => rmdirSync(join(dir.path, name));

test("an entry that waits is tried again by itself, until it is in; its fault is told once", async () => {
  await noteWhileBlocked("audit-unchanged.ndjson", refuse);
  for (let n = 0; n < 5; n++) change();
  const seen = log.untilPast(5, new AbortController().signal);
  vi.advanceTimersByTime(1000);
  await expect(log.read({ limit: 100 })).rejects.toThrow("EISDIR");
  unblock("audit-unchanged.ndjson");
  vi.advanceTimersByTime(1000);
  await seen;
  expect(await seqs()).toEqual([1, 2, 3, 4, 5, 6]);
  expect((await log.read({ limit: 100, after: 1 })).map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 6]);
  expect(faults).toHaveLength(1);
});

test.each([
  { waits: "a refusal", file: "audit-unchanged.ndjson", note: () => refuse(), next: change },
  { waits: "a change", file: "audit.ndjson", note: change, next: () => refuse() },
])("$waits that waits is tried again with an entry of the other file", async ({ file, note, next }) => {
  await noteWhileBlocked(file, note);
  unblock(file);
  next();
  expect(await seqs()).toEqual([1, 2]);
});

test("an entry that waits is tried again at the end", async () => {
  await noteWhileBlocked("audit-unchanged.ndjson", refuse);
  unblock("audit-unchanged.ndjson");
  await log.close();
  await open();
  expect(await seqs()).toEqual([1]);
});

test.skipIf(!canMount)("what a full disk took a part of is there once (needs root)", async () => {
  const disk = mountSmallDisk(join(dir.path, "disk"), 1);
  try {
    await log.close();
    await open(disk.path);
    refuse("first");
    expect(await seqs()).toEqual([1]);
    // The file has the rest of its block: room for some of these.
    disk.fill();
    for (let n = 0; n < 60; n++) refuse(`reader-${n}`);
    await seqs();
    expect(faults).toHaveLength(1);
    disk.free();
    vi.advanceTimersByTime(1000);
    expect(await seqs()).toEqual(Array.from({ length: 61 }, (_, index) => index + 1));
  } finally {
    await log.close();
    await open();
    await disk.remove();
  }
});
