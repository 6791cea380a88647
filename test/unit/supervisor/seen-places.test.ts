import { mkdir, rename, rmdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { assertUnmoved, seePlaces } from "../../../src/supervisor/seen-places.ts";
import { tempDir } from "../../support/temp-dir.ts";

async function seen() {
  const dir = await tempDir();
  onTestFinished(dir.remove);
  const above = join(dir.path, "above");
  const place = join(above, "place");
  await mkdir(place, { recursive: true });
  await mkdir(join(dir.path, "secret", "place"), { recursive: true });
  return { dir: dir.path, above, place, places: await seePlaces([place]) };
}

test("a folder that is as it was is used", async () => {
  const { places } = await seen();
  await expect(assertUnmoved(places)).resolves.toBeUndefined();
});

const swaps: [string, (at: { dir: string; above: string; place: string }) => Promise<void>][] = [
  [
    "a link in its place",
    async ({ dir, place }) => {
      await rename(place, `${place}-before`);
      await symlink(join(dir, "secret"), place);
    },
  ],
  [
    "a link above it",
    async ({ dir, above }) => {
      await rename(above, `${above}-before`);
      await symlink(join(dir, "secret"), above);
    },
  ],
  [
    "another folder in its place",
    async ({ dir, place }) => {
      await rename(place, `${place}-before`);
      await rename(join(dir, "secret"), place);
    },
  ],
  ["nothing", ({ place }) => rmdir(place)],
];

test.each(swaps)("%s is refused", async (_what, swap) => {
  const { places, ...at } = await seen();
  await swap(at);
  await expect(assertUnmoved(places)).rejects.toMatchObject({ code: "invalid_work_dir" });
});
