import { cp, lstat, mkdir, readFile, readlink, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { bringBack, type Copied, copiedOf } from "../../../src/runtime/docker/bring-back.ts";
import { packTree, treeBelow } from "../../../src/runtime/docker/tree-archive.ts";
import { tempDir } from "../../support/temp-dir.ts";

const limits = { entries: 1000, bytes: 1_000_000 };
/** A text is a file, an arrow with a text a link; folders come by themselves. */
type Files = Record<string, string>;

async function write(folder: string, files: Files, seconds: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await rm(join(folder, path), { recursive: true, force: true });
    await mkdir(join(folder, path, ".."), { recursive: true });
    if (text.startsWith("→")) await symlink(text.slice(1), join(folder, path));
    else {
      await writeFile(join(folder, path), text);
      await utimes(join(folder, path), seconds, seconds);
    }
  }
}

async function read(folder: string): Promise<Files> {
  const files: Files = {};
  for await (const { path, kind } of treeBelow(folder, limits)) {
    if (kind === "file") files[path] = await readFile(join(folder, path), "utf8");
    if (kind === "link") files[path] = `→${await readlink(join(folder, path))}`;
  }
  return files;
}

async function packed(folder: string): Promise<Copied> {
  const copied: Copied = [];
  const nobody = { uid: 0, gid: 0 };
  const archive = packTree(folder, {
    owner: nobody,
    inside: nobody,
    limits,
    onEntry: (entry) => copied.push(copiedOf(entry)),
  });
  for await (const _ of archive);
  return copied;
}

async function merged(before: Files, here: Files, there: Files): Promise<{ files: Files; conflicts: string[] }> {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const [mine, theirs] = [join(folder.path, "here"), join(folder.path, "there")];
  await write(mine, before, 1000);
  const copied = await packed(mine);
  await cp(mine, theirs, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  // What is as it was keeps its time, on both sides.
  for (const [side, files, seconds] of [
    [mine, here, 2000],
    [theirs, there, 3000],
  ] as const) {
    for (const path of Object.keys(before))
      if (files[path] !== before[path]) await rm(join(side, path), { force: true });
    const changed = Object.entries(files).filter(([path, text]) => before[path] !== text);
    await write(side, Object.fromEntries(changed), seconds);
  }
  const { conflicts } = await bringBack({ staging: theirs, folder: mine, copied, mark: "s" });
  return { files: await read(mine), conflicts };
}

test.each<[string, before: Files, here: Files, there: Files, after: Files]>([
  ["what was made there is here", {}, {}, { "a/b/c": "new" }, { "a/b/c": "new" }],
  ["what was changed there is so here", { a: "1" }, { a: "1" }, { a: "2" }, { a: "2" }],
  ["what was removed there is removed here", { a: "1", "d/b": "2" }, { a: "1", "d/b": "2" }, {}, {}],
  ["what was changed here stays", { a: "1" }, { a: "mine" }, { a: "1" }, { a: "mine" }],
  ["what was removed here stays removed", { a: "1", "d/b": "1" }, {}, { a: "1", "d/b": "1" }, {}],
  ["what was changed here and removed there stays", { a: "1" }, { a: "mine" }, {}, { a: "mine" }],
  ["what was removed here and changed there is back", { a: "1" }, {}, { a: "2" }, { a: "2" }],
  [
    "what both changed lies side by side",
    { a: "1" },
    { a: "mine" },
    { a: "other" },
    { a: "mine", "a.from-s": "other" },
  ],
  ["what both made lies side by side", {}, { a: "mine" }, { a: "other" }, { a: "mine", "a.from-s": "other" }],
  ["what both made alike is one", {}, { a: "same" }, { a: "same" }, { a: "same" }],
  [
    "what lies beside already is somebody's",
    { a: "1" },
    { a: "mine", "a.from-s": "old" },
    { a: "other" },
    { a: "mine", "a.from-s": "old", "a.from-s-2": "other" },
  ],
  [
    "a version that a way back put beside before it was cut short is put there once",
    { a: "1" },
    { a: "mine", "a.from-s": "other" },
    { a: "other" },
    { a: "mine", "a.from-s": "other" },
  ],
  [
    "a name that would be too long with the session's is shortened",
    { ["n".repeat(255)]: "1" },
    { ["n".repeat(255)]: "mine" },
    { ["n".repeat(255)]: "other" },
    { ["n".repeat(255)]: "mine", [`${"n".repeat(248)}.from-s`]: "other" },
  ],
  ["a file that became a folder there is one here", { a: "1" }, { a: "1" }, { "a/b": "2" }, { "a/b": "2" }],
  ["a folder that became a file there is one here", { "a/b": "1" }, { "a/b": "1" }, { a: "2" }, { a: "2" }],
  [
    "a folder in which something was changed here is not given up for a file",
    { "a/b": "1" },
    { "a/b": "mine" },
    { a: "2" },
    { "a/b": "mine", "a.from-s": "2" },
  ],
  ["nor a changed file for a folder", { a: "1" }, { a: "mine" }, { "a/b": "2" }, { a: "mine", "a.from-s/b": "2" }],
  ["links are links", { l: "→x" }, { l: "→x" }, { l: "→y", m: "→/etc" }, { l: "→y", m: "→/etc" }],
])("%s", async (_, before, here, there, after) => {
  expect((await merged(before, here, there)).files).toEqual(after);
});

test("what was changed within the second and has its size is changed, on either side", async () => {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const [mine, theirs] = [join(folder.path, "here"), join(folder.path, "there")];
  await write(mine, { both: "before", here: "before", there: "before", "gone-there": "before" }, 1000);
  const copied = await packed(mine);
  await cp(mine, theirs, { recursive: true, preserveTimestamps: true });
  // With the same time, as what is done within one tick of the clock, or by who sets it back.
  await write(mine, { both: "mine!!", here: "mine!!", "gone-there": "mine!!" }, 1000);
  await write(theirs, { both: "theirs", there: "theirs" }, 1000);
  await rm(join(theirs, "gone-there"));
  await bringBack({ staging: theirs, folder: mine, copied, mark: "s" });
  expect(await read(mine)).toEqual({
    both: "mine!!",
    "both.from-s": "theirs",
    here: "mine!!",
    there: "theirs",
    "gone-there": "mine!!",
  });
});

test("a record of a version that took no digests goes by size and time", async () => {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const [mine, theirs] = [join(folder.path, "here"), join(folder.path, "there")];
  await write(mine, { a: "1", b: "1" }, 1000);
  const copied = (await packed(mine)).map(({ digest: _, ...rest }) => rest);
  await cp(mine, theirs, { recursive: true, preserveTimestamps: true });
  await write(theirs, { a: "2" }, 3000);
  await write(mine, { b: "3" }, 2000);
  await bringBack({ staging: theirs, folder: mine, copied, mark: "s" });
  expect(await read(mine)).toEqual({ a: "2", b: "3" });
});

test("a link that was put here in a folder's place is not followed, neither to write nor to remove", async () => {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const [mine, theirs, elsewhere] = ["here", "there", "elsewhere"].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  await write(elsewhere, { b: "1", c: "1" }, 1000);
  await write(theirs, { "a/b": "changed" }, 3000);
  await mkdir(mine);
  await symlink(elsewhere, join(mine, "a"));
  const copied: Copied = ["a/b", "a/c"].map((path) => ({ path, kind: "file", size: 1, mtime: 1_000_000, mode: 0o644 }));
  copied.unshift({ path: "a", kind: "directory", size: 0, mtime: 0, mode: 0o755 });
  await bringBack({ staging: theirs, folder: mine, copied, mark: "s" });
  expect(await read(elsewhere)).toEqual({ b: "1", c: "1" });
  expect((await lstat(join(mine, "a"))).isSymbolicLink()).toBe(true);
  expect(await readFile(join(mine, "a.from-s/b"), "utf8")).toBe("changed");
});

test("whatever happens on both sides, nothing that was changed is lost, and where one side did nothing the other holds", async () => {
  const names = fc.constantFrom("a", "b", "d/a", "d/b");
  const files = fc.dictionary(names, fc.constantFrom("1", "22", "333", "→x"));
  await fc.assert(
    fc.asyncProperty(files, files, files, async (before, here, there) => {
      const { files: after } = await merged(before, here, there);
      const all = new Set([...Object.keys(before), ...Object.keys(here), ...Object.keys(there)]);
      for (const name of all) {
        const [old, mine, theirs] = [before[name], here[name], there[name]];
        if (mine === old) expect(after[name], name).toBe(theirs);
        else if (theirs === old) expect(after[name], name).toBe(mine);
        else if (mine !== undefined && theirs !== undefined && mine !== theirs) {
          expect(after[name], name).toBe(mine);
          expect(after[`${name}.from-s`], name).toBe(theirs);
        } else expect(after[name], name).toBe(mine ?? theirs);
      }
    }),
    { numRuns: 60 },
  );
});
