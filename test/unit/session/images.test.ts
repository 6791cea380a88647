import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readImages, storeImages } from "../../../src/session/images.ts";
import { tempDir } from "../../support/temp-dir.ts";

let dir: Awaited<ReturnType<typeof tempDir>>;
beforeEach(async () => {
  dir = await tempDir();
});
afterEach(() => dir.remove());

const images = [
  { media_type: "image/png" as const, data: Buffer.from("first").toString("base64") },
  { media_type: "image/jpeg" as const, data: Buffer.from("second").toString("base64") },
];

test("images come back as they were stored", async () => {
  const folder = join(dir.path, "blobs");
  const stored = await storeImages(folder, "t3", images);
  expect(stored).toEqual([
    { media_type: "image/png", blob: "img-t3-1.png", bytes: 5 },
    { media_type: "image/jpeg", blob: "img-t3-2.jpeg", bytes: 6 },
  ]);
  expect(await readImages(folder, stored)).toEqual(images);
});

test("when one cannot be written, none stays", async () => {
  const folder = join(dir.path, "blobs");
  await storeImages(folder, "t1", images.slice(0, 1));
  // A folder in the place of the second.
  await storeImages(join(folder, "img-t2-2.jpeg"), "t9", images.slice(0, 1));
  await expect(storeImages(folder, "t2", images)).rejects.toThrow();
  expect(existsSync(join(folder, "img-t2-1.png"))).toBe(false);
});

test("a file that a crash left is written anew", async () => {
  const folder = join(dir.path, "blobs");
  await storeImages(folder, "t1", images);
  writeFileSync(join(folder, "img-t1-1.png"), "half of something much longer than it");
  const stored = await storeImages(folder, "t1", images);
  expect(await readImages(folder, stored)).toEqual(images);
  expect(readdirSync(folder)).toHaveLength(2);
});
