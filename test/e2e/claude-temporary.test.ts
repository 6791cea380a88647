/** Where Claude Code keeps its sockets and what its commands print: in its session's own folder, which goes with the session. */
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ClaudeDaemon, hasResults, startClaudeDaemon } from "../support/claude-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

let home: TempDir;
let claude: ClaudeDaemon;

beforeAll(async () => {
  home = await tempDir();
  claude = await startClaudeDaemon({ env: { HOME: home.path, XDG_RUNTIME_DIR: undefined } });
});

afterAll(async () => {
  await claude?.stop();
  await home?.remove();
});

const isClaudes = (path: string) => /(^|\/)(claude-\d+|cc-socks)$/.test(path);

test.each(["user", "private"])("in a home that is %s", async (agent_home) => {
  const id = await claude.create({
    interactive: true,
    agent_home,
    prompt: '[[call:Bash {"command":"echo kept","description":"x"}]]',
  });
  await claude.log(id, hasResults(1));
  const run = join(claude.daemon.dataDir, "run");
  const found = (await readdir(run, { recursive: true })).filter(isClaudes);
  expect(found.map((path) => path.replace(/^[^/]+\//, ""))).toEqual(
    expect.arrayContaining([`t/claude-${process.getuid?.()}`, "t/cc-socks"]),
  );
  expect((await readdir(tmpdir())).filter(isClaudes)).toEqual([]);
  await claude.daemon.delete(`/sessions/${id}`);
  await claude.allGone(id);
  expect((await readdir(run, { recursive: true })).filter(isClaudes)).toEqual([]);
  expect((await readdir(tmpdir())).filter(isClaudes)).toEqual([]);
});
