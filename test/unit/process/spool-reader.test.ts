import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { drainSpool, readSpool, spoolBatchBytes, spoolFileName } from "../../../src/process/spool-reader.ts";
import { tempDir } from "../../support/temp-dir.ts";

const line = '{"type":"stdout","data":{"text":"x"},"timestamp":1,"sidecar_seq":1}\n';

async function spoolOf(make: (path: string, elsewhere: string) => Promise<void>): Promise<string> {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const elsewhere = join(folder.path, "elsewhere.ndjson");
  await writeFile(elsewhere, line);
  await make(join(folder.path, spoolFileName(1)), elsewhere);
  let text = "";
  for await (const batch of readSpool(folder.path, 0)) text += String(batch);
  return text;
}

test("a spool file is read, and one that is a link to a file like it is not", async () => {
  expect(await spoolOf((path) => writeFile(path, line))).toBe(line);
  expect(await spoolOf((path, elsewhere) => symlink(elsewhere, path))).toBe("");
});

/** Three files: lines 1 to 40, 41 to 80, and 81 to 120 of which the last is torn. */
async function threeFiles(text: string): Promise<string> {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  for (const first of [1, 41, 81]) {
    const lines = Array.from({ length: 40 }, (_, i) =>
      line.replace('"x"', `"${text}"`).replace(":1}", `:${first + i}}`),
    );
    const bytes = first === 81 ? lines.join("").slice(0, -5) : lines.join("");
    await writeFile(join(folder.path, spoolFileName(first)), bytes);
  }
  return folder.path;
}

const countsOf = (batch: Buffer) =>
  String(batch)
    .trimEnd()
    .split("\n")
    .map((each): number => JSON.parse(each).sidecar_seq);

test("a file is removed when all of it was taken and not before, and what is torn stays", async () => {
  const folder = await threeFiles("x".repeat(20_000));
  const seen: { count: number; files: string[] }[] = [];
  const taken: number[] = [];
  await drainSpool(folder, {
    afterSeq: 45,
    take: async (batch) => {
      taken.push(...countsOf(batch));
      seen.push({ count: taken.at(-1) ?? 0, files: await readdir(folder) });
    },
  });
  expect(taken).toEqual(Array.from({ length: 119 - 45 }, (_, i) => 46 + i));
  expect(seen.length).toBeGreaterThan(4);
  for (const { count, files } of seen)
    expect(files).toEqual(count <= 80 ? [spoolFileName(41), spoolFileName(81)] : [spoolFileName(81)]);
  expect(await readdir(folder)).toEqual([spoolFileName(81)]);
});

test("what could not be taken stays for another time", async () => {
  const folder = await threeFiles("x");
  const take = async () => {
    throw new Error("no room");
  };
  await expect(drainSpool(folder, { afterSeq: 0, take })).rejects.toThrow("no room");
  expect((await readdir(folder)).length).toBe(3);
});

test("lines longer than a batch come whole, among short ones", async () => {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const texts = ["a", "b".repeat(5 * spoolBatchBytes), "c", "d".repeat(spoolBatchBytes), "e"];
  const lines = texts.map((text, i) => line.replace('"x"', `"${text}"`).replace(":1}", `:${i + 1}}`));
  await writeFile(join(folder.path, spoolFileName(1)), lines.join(""));
  let text = "";
  for await (const batch of readSpool(folder.path, 0)) text += String(batch);
  expect(text === lines.join("")).toBe(true);
});

test("a folder in the place of a file is passed over", async () => {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  await mkdir(join(folder.path, spoolFileName(1)));
  await writeFile(join(folder.path, spoolFileName(2)), line.replace(":1}", ":2}"));
  const taken: number[] = [];
  await drainSpool(folder.path, { afterSeq: 1, take: async (batch) => void taken.push(...countsOf(batch)) });
  expect(taken).toEqual([2]);
  expect(await readdir(folder.path)).toEqual([spoolFileName(1)]);
});
