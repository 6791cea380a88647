import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ProgramPlaces, programPlacesOf } from "../../../src/supervisor/program-places.ts";
import { checkWorkDir } from "../../../src/supervisor/work-dir.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

let dir: TempDir;
let programs: ProgramPlaces;
const at = (path: string) => join(dir.path, path);

beforeEach(async () => {
  dir = await tempDir();
  for (const folder of [
    ...["tools/bin/sub", "tools/share", "own/agents", "own/hooks", "own/empty"],
    ...["python/.venv/bin", "python/src", "npm/node_modules/.bin", "repository/.git", "repository/scripts/bin"],
  ])
    await mkdir(at(folder), { recursive: true });
  await writeFile(at("python/.venv/pyvenv.cfg"), "");
  for (const file of ["own/agents/agent", "own/agents/script.mjs", "own/hooks/hook", "tools/bin/named"])
    await writeFile(at(file), "", { mode: 0o755 });
  await symlink(at("tools"), at("linked"));
  const path = ["linked/bin", "python/.venv/bin", "npm/node_modules/.bin", "repository/scripts/bin", "later/bin"];
  programs = programPlacesOf({
    environment: { PATH: path.map(at).join(":") },
    dataDir: at("data"),
    runtimes: ["local", "docker"],
    agents: {
      program: { command: at("own/agents/agent"), args: [] },
      script: { command: "node", args: [at("own/agents/script.mjs"), at("own/empty")] },
    },
    hooks: { pre_init: ["sh", at("own/hooks/hook")] },
  });
});
afterEach(async () => {
  await dir.remove();
});

const checked = (folder: string, guard: { programs?: ProgramPlaces }) =>
  checkWorkDir(at(folder), { home: at("home"), dataDir: at("data"), own: [], ...guard });

test.each([
  ["a folder of PATH, by its real name", "tools/bin"],
  ["a folder in one", "tools/bin/sub"],
  ["a folder that holds one", "tools"],
  ["the folder of an agent's program", "own/agents"],
  ["a folder that holds that of a hook", "own"],
  ["the folder of a script that a hook's shell runs", "own/hooks"],
  ["the programs of a checkout that are in PATH, without the checkout", "python/.venv/bin"],
  ["the same of npm packages", "npm/node_modules/.bin"],
])("%s is refused to an agent that is kept apart, and to no other", async (_what, folder) => {
  await expect(checked(folder, { programs })).rejects.toThrow(
    /place of programs that agentd runs outside: .*mode "ro"/,
  );
  expect(await checked(folder, {})).toBe(at(folder));
});

test.each([
  ["a Python project whose environment is activated", "python"],
  ["what is beside its environment", "python/src"],
  ["a project whose npm programs are in PATH", "npm"],
  ["a repository with a folder that somebody added to PATH", "repository"],
  ["a folder beside one of PATH", "tools/share"],
  ["a folder beside the agents", "own/empty"],
])("%s is taken", async (_what, folder) => {
  expect(await checked(folder, { programs })).toBe(at(folder));
});

test("agentd's own bundles, Node and the machine's added programs are refused", async () => {
  expect(programs.places).toEqual(expect.arrayContaining([process.execPath, "/usr/local/bin", "/usr/local/lib"]));
  const own = new URL("../../../src/supervisor", import.meta.url).pathname;
  for (const folder of [own, new URL("../../..", import.meta.url).pathname.replace(/\/$/, "")])
    await expect(checkWorkDir(folder, { home: at("home"), dataDir: at("data"), own: [], programs })).rejects.toThrow(
      /agentd runs outside/,
    );
});

test("a daemon whose agents all run in containers runs none of their programs outside", () => {
  const { places } = programPlacesOf({
    environment: {},
    dataDir: at("data"),
    runtimes: ["docker"],
    agents: { program: { command: at("own/agents/agent"), args: [] } },
    hooks: { pre_init: [at("own/hooks/hook")] },
  });
  expect(places.filter((place) => place.startsWith(dir.path))).toEqual([]);
});
