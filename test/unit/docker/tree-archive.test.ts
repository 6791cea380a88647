import { chmod, mkdir, readdir, readFile, readlink, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text as readText } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, type Headers, pack } from "tar-stream";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { packTree, unpackTree } from "../../../src/runtime/docker/tree-archive.ts";
import { tempDir } from "../../support/temp-dir.ts";

const limits = { entries: 100, bytes: 1_000_000 };
const me = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
let [from, to, outside] = ["", "", ""];

beforeEach(async () => {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  [from, to, outside] = [join(folder.path, "from"), join(folder.path, "to"), join(folder.path, "outside")];
  for (const place of [from, to, outside]) await mkdir(place);
});

/** As the engine hands it out: below the name of the folder. */
async function archive(entries: [header: Headers, text?: string][]): Promise<Readable> {
  const packed = pack();
  for (const [header, text = ""] of entries) packed.entry(header, text);
  packed.finalize();
  return packed;
}

async function contentsOf(archive: Readable): Promise<[Headers, string][]> {
  const entries: [Headers, string][] = [];
  const reading = extract().on("entry", async (header, content, next) => {
    entries.push([header, await readText(content)]);
    next();
  });
  await pipeline(archive, reading);
  return entries;
}

const unpack = (source: Readable) =>
  unpackTree(source, to, { limits, inside: { uid: 1000, gid: 1000 }, owner: undefined });

test("a folder goes in and comes out as it was, with links as links", async () => {
  await mkdir(join(from, "a/b"), { recursive: true });
  await writeFile(join(from, "a/b/run.sh"), "echo", { mode: 0o755 });
  await writeFile(join(from, "empty"), "");
  await writeFile(join(from, "large"), Buffer.alloc(300_000, "x"));
  await symlink("/etc/passwd", join(from, "a/link"));
  await utimes(join(from, "a/b/run.sh"), 1_000_000, 1_000_000);
  await chmod(join(from, "a/b"), 0o500);
  const seen: string[] = [];
  const packed = packTree(from, {
    owner: me,
    inside: { uid: 1000, gid: 1000 },
    limits,
    onEntry: ({ path, kind }) => seen.push(`${kind} ${path}`),
  });
  // What the engine puts in front of each name.
  const entries: [Headers, string?][] = [[{ name: "work", type: "directory" }]];
  for (const [{ size: _, ...header }, text] of await contentsOf(packed)) {
    expect([header.uid, header.gid]).toEqual([1000, 1000]);
    entries.push([{ ...header, name: `work/${header.name}` }, text]);
  }
  await unpack(await archive(entries));
  expect(seen.sort()).toEqual([
    "directory a",
    "directory a/b",
    "file a/b/run.sh",
    "file empty",
    "file large",
    "link a/link",
  ]);
  expect((await readdir(to)).sort()).toEqual(["a", "empty", "large"]);
  expect((await readFile(join(to, "large"))).length).toBe(300_000);
  expect(await readlink(join(to, "a/link"))).toBe("/etc/passwd");
  const script = await stat(join(to, "a/b/run.sh"));
  expect([script.mode & 0o777, script.mtimeMs]).toEqual([0o755, 1_000_000_000]);
  expect((await stat(join(to, "a/b"))).mode & 0o777).toBe(0o500);
});

test("what belongs to somebody else is root's there", async () => {
  await writeFile(join(from, "foreign"), "x");
  const packed = packTree(from, {
    owner: { uid: me.uid + 1, gid: me.gid + 1 },
    inside: { uid: 1000, gid: 1000 },
    limits,
    onEntry: () => undefined,
  });
  const [[header] = []] = await contentsOf(packed);
  expect(header).toMatchObject({ name: "foreign", uid: 0, gid: 0 });
});

describe("an archive out of a container does not get out of its folder:", () => {
  const directory = { name: "work/", type: "directory" } as const;
  test.each<[string, [Headers, string?][]]>([
    ["a name with ..", [[directory], [{ name: "work/../../outside/x" }, "x"]]],
    ["an absolute name", [[directory], [{ name: "/outside/x" }, "x"]]],
    [
      "a file below a link",
      [[directory], [{ name: "work/l", type: "symlink", linkname: "../outside" }], [{ name: "work/l/x" }, "x"]],
    ],
    ["a file in no folder", [[directory], [{ name: "work/a/b" }, "x"]]],
    ["a file over another one", [[directory], [{ name: "work/a" }, "x"], [{ name: "work/a" }, "y"]]],
    [
      "too many",
      [[directory], ...Array.from({ length: 101 }, (_, n): [Headers, string] => [{ name: `work/${n}` }, "x"])],
    ],
    ["too much", [[directory], [{ name: "work/a" }, "x".repeat(1_000_001)]]],
  ])("%s", async (_, entries) => {
    await expect(archive(entries).then(unpack)).rejects.toThrow();
    expect(await readdir(outside)).toEqual([]);
  });

  test("a second name of a file elsewhere, a device, and the bits that give rights", async () => {
    await writeFile(join(outside, "secret"), "SECRET");
    await unpack(
      await archive([
        [directory],
        [{ name: "work/hard", type: "link", linkname: "work/nowhere" }],
        [{ name: "work/device", type: "character-device", devmajor: 1, devminor: 3 }],
        [{ name: "work/setuid", mode: 0o6755 }, "x"],
        [{ name: "work/again", type: "link", linkname: "work/setuid" }],
      ]),
    );
    expect((await readdir(to)).sort()).toEqual(["again", "setuid"]);
    expect((await stat(join(to, "setuid"))).mode & 0o7777).toBe(0o755);
    expect(await readFile(join(to, "again"), "utf8")).toBe("x");
  });
});

test("a folder with more in it than may be is not copied", async () => {
  for (let n = 0; n < 101; n++) await writeFile(join(from, String(n)), "");
  const packed = packTree(from, { owner: me, inside: me, limits, onEntry: () => undefined });
  await expect(readText(packed)).rejects.toThrow("more than 100 files");
});
