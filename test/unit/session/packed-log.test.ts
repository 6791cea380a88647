import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PackedLog, packedPath, packLog } from "../../../src/session/packed-log.ts";
import { StoredFile } from "../../../src/session/stored-file.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

let dir: TempDir;
let path: string;
beforeEach(async () => {
  dir = await tempDir();
  path = join(dir.path, "events.ndjson");
});
afterEach(() => dir.remove());

const goOn = { assertGoesOn: () => undefined };

/** Lines that do not end where blocks do. */
function linesOf(bytes: number): Buffer {
  const all = Buffer.alloc(bytes);
  for (let at = 0, n = 0; at < bytes; n++) at += all.write(`{"n":${n},"text":"${"ü".repeat(n % 300)}"}\n`, at);
  return all;
}

test("any range of a compressed log is what it was, over the borders of its blocks too", async () => {
  const log = linesOf(3 * 1024 * 1024 + 17);
  writeFileSync(path, log);
  const bytes = await packLog(path, goOn);
  expect(existsSync(path)).toBe(false);
  expect(bytes).toBeLessThan(log.length / 3);
  const stored = new StoredFile(path);
  expect(await stored.size()).toBe(log.length);
  const places = fc.integer({ min: 0, max: log.length + 10 });
  await fc.assert(
    fc.asyncProperty(places, places, async (a, b) => {
      const [from, to] = a < b ? [a, b] : [b, a];
      expect((await stored.read(from, to)).equals(log.subarray(from, to))).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test.each([0, 1, 1024 * 1024, 1024 * 1024 + 1])("a log of %i bytes is whole for gunzip as for us", async (size) => {
  const log = linesOf(size);
  writeFileSync(path, log);
  await packLog(path, goOn);
  expect(gunzipSync(readFileSync(packedPath(path))).equals(log)).toBe(true);
  expect((await new StoredFile(path).read(0, size)).equals(log)).toBe(true);
});

test("a reader that has the plain file goes on in the compressed one", async () => {
  const log = linesOf(5000);
  writeFileSync(path, log);
  const stored = new StoredFile(path);
  const first = await stored.read(0, 2000);
  await packLog(path, goOn);
  expect(Buffer.concat([first, await stored.read(2000, 5000)]).equals(log)).toBe(true);
});

test("what a crash left of a compression is done anew, and the plain file counts until then", async () => {
  const log = linesOf(5000);
  writeFileSync(path, log);
  await packLog(path, goOn);
  const half = readFileSync(packedPath(path)).subarray(0, 100);
  writeFileSync(path, log);
  writeFileSync(packedPath(path), half);
  writeFileSync(`${packedPath(path)}.tmp`, half);
  expect((await new StoredFile(path).read(0, 5000)).equals(log)).toBe(true);
  await packLog(path, goOn);
  expect([existsSync(path), existsSync(`${packedPath(path)}.tmp`)]).toEqual([false, false]);
  expect((await new StoredFile(path).read(0, 5000)).equals(log)).toBe(true);
});

test("one that is called off, or whose log grows meanwhile, leaves the log as it is", async () => {
  const log = linesOf(5000);
  writeFileSync(path, log);
  const leaving = {
    assertGoesOn: () => {
      throw new Error("the daemon leaves");
    },
  };
  await expect(packLog(path, leaving)).rejects.toThrow("the daemon leaves");
  expect(existsSync(packedPath(path))).toBe(false);
  const growing = { assertGoesOn: () => appendFileSync(path, "more\n") };
  await expect(packLog(path, growing)).rejects.toThrow("the log is left as it was");
  expect(readFileSync(path).subarray(0, 5000).equals(log)).toBe(true);
});

test("a file that is cut, or that somebody else compressed, is called damaged", async () => {
  writeFileSync(path, linesOf(5000));
  await packLog(path, goOn);
  const packed = packedPath(path);
  truncateSync(packed, readFileSync(packed).length - 3);
  await expect(PackedLog.open(path)).rejects.toThrow(/is damaged, or was not compressed by agentd/);
  await rm(packed);
  await expect(PackedLog.open(path)).rejects.toMatchObject({ code: "ENOENT" });
});
