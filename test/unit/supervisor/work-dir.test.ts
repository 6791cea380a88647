import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkWorkDir } from "../../../src/supervisor/work-dir.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

let dir: TempDir;
let home: string;
let dataDir: string;
let project: string;

beforeEach(async () => {
  dir = await tempDir();
  home = join(dir.path, "person");
  dataDir = join(dir.path, "data");
  project = join(home, "code", "project");
  for (const folder of [
    project,
    dataDir,
    join(home, ".ssh", "keys"),
    join(home, ".config", "gh"),
    join(home, "settings"),
  ])
    await mkdir(folder, { recursive: true });
  await symlink(project, join(home, "link"));
  await symlink(join(home, "code"), join(home, "linked-code"));
  await symlink(join(home, ".ssh"), join(home, "innocent"));
  await writeFile(join(project, "file"), "");
});
afterEach(async () => {
  await dir.remove();
});

const check = (path: string) => checkWorkDir(path, { home, dataDir, own: [join(home, "settings", "agentd.json")] });

test("an ordinary folder is used as it is, slashes at the end aside", async () => {
  expect(await Promise.all([project, `${project}/`, `${home}//code/./project`].map(check))).toEqual([
    project,
    project,
    project,
  ]);
});

describe("what is refused", () => {
  const refused: [string, () => string, RegExp][] = [
    ["an empty path", () => "", /must be absolute/],
    ["a relative path", () => "code/project", /must be absolute/],
    ["a tilde", () => "~/code", /must be absolute/],
    ["..", () => `${project}/../project`, /cannot contain '\.\.'/],
    ["a NUL character", () => `${project}\0x`, /NUL/],
    ["what does not exist", () => join(project, "missing"), /does not exist/],
    ["what is below a file", () => join(project, "file", "x"), /does not exist/],
    ["a file", () => join(project, "file"), /not a directory/],
    ["a path of 5000 characters", () => `/${"x".repeat(5000)}`, /cannot be opened/],
    ["the root", () => "/", /filesystem root/],
    ["the root by another spelling", () => "//", /filesystem root/],
    ["a symlink", () => join(home, "link"), /reached through a symlink/],
    ["a folder below a symlink", () => join(home, "linked-code", "project"), /reached through a symlink/],
    ["a sensitive folder", () => join(home, ".ssh"), /sensitive directory/],
    ["a folder in a sensitive one", () => join(home, ".ssh", "keys"), /sensitive directory/],
    ["a sensitive folder behind a symlink", () => join(home, "innocent"), /sensitive directory/],
    ["a folder that holds a sensitive one", () => join(home, ".config"), /sensitive directory/],
    ["the home itself", () => home, /sensitive directory/],
    ["the data dir", () => dataDir, /sensitive directory/],
    ["a folder that holds the data dir", () => dir.path, /sensitive directory/],
    ["a folder that holds the daemon's configuration", () => join(home, "settings"), /sensitive directory/],
    ["a system folder", () => "/etc", /sensitive directory/],
    ["a folder that holds sockets of engines", () => "/run", /sensitive directory/],
    ["a folder of programs", () => "/usr/bin", /sensitive directory/],
    ["a folder that holds system folders", () => "/usr", /sensitive directory/],
    ["everybody's home", () => "/home", /sensitive directory/],
    ["root's home", () => "/root", /sensitive directory|cannot be opened/],
    ["the root by way of a process", () => `/proc/self/root${project}`, /sensitive directory|through a symlink/],
    ["a folder in a system one", () => "/proc/self", /sensitive directory/],
  ];
  for (const [what, path, message] of refused) {
    test(what, async () => {
      await expect(check(path())).rejects.toMatchObject({
        code: "invalid_work_dir",
        message: expect.stringMatching(message),
      });
    });
  }
});

test.each([".SSH", ".Claude", ".config/GH", ".Codex/sessions"])(
  "%s is as sensitive as it is in small letters: on some file systems it is the same folder",
  async (name) => {
    await mkdir(join(home, name), { recursive: true });
    await expect(check(join(home, name))).rejects.toThrow(/sensitive directory/);
  },
);

test("names that only begin like sensitive ones are fine", async () => {
  const folders = [join(home, ".sshd"), join(home, ".config", "ghost"), `${dataDir}2`];
  for (const folder of folders) await mkdir(folder, { recursive: true });
  expect(await Promise.all(folders.map(check))).toEqual(folders);
});
