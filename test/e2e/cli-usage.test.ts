import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const commands = [
  "serve",
  "run",
  "attach",
  "ls",
  "top",
  "agents",
  "doctor",
  "logs",
  "export",
  "completion",
  "prompt",
  "steer",
  "interrupt",
  "stop",
  "wait",
  "rm",
  "token",
  "version",
];

test.each<[string, string[], string]>([
  ["an unknown command", ["frobnicate"], "unknown command 'frobnicate'"],
  ["help for no command", ["help", "nope"], "unknown command 'nope'"],
  ["a prompt of nothing", ["run", ""], "A session needs a prompt"],
  ["an unknown option", ["ls", "--frobnicate"], "unknown option '--frobnicate'"],
  ["an argument too many", ["serve", "now"], "too many arguments"],
  ["a missing argument", ["attach"], "missing required argument 'session'"],
  ["a port that is none", ["ls", "--port", "http"], "expected a whole number"],
  ["a negative offset", ["logs", "x", "--since=-1"], "expected a whole number"],
  ["a session of no name", ["attach", ""], "expected an id, the beginning of one, or a name"],
  ["a log of no name", ["logs", "."], "expected an id, the beginning of one, or a name"],
  ["a state that is none", ["ls", "--state", "bogus"], "expected pending, running, completed, failed or orphaned"],
  ["an fsync that is none", ["serve", "--fsync", "maybe"], "'--fsync <when>' argument 'maybe' is invalid"],
  ["a ring of nothing", ["serve", "--ring-bytes", "0"], "expected a whole number above 0"],
  ["a stall without a unit", ["serve", "--client-stall", "5"], "'--client-stall <duration>' argument '5' is invalid"],
  ["a data dir of nothing", ["serve", "--data-dir", ""], "'--data-dir <dir>' argument '' is invalid. it is empty"],
  ["a daemon of no address", ["ls", "--url="], "it is empty. Leave the option out for its default"],
  ["a negative number of days", ["serve", "--keep-days=-1"], "expected a whole number above 0"],
  ["no days", ["serve", "--keep-days", "0"], "expected a whole number above 0"],
  ["the runtime that is gone", ["--runtime", "local-pipe"], "use --runtime local"],
])("%s exits with 2 and a sentence", async (_title, args, sentence) => {
  const { exitCode, stdout, stderr } = await runCli(args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  expect(stderr).toContain(sentence);
});

test.each<[string[], string]>([
  [["rnu"], `agentd: unknown command 'rnu'. Did you mean run? See "agentd --help"`],
  [["ls", "--alll"], `agentd: unknown option '--alll'. Did you mean --all? See "agentd ls --help"`],
  [["chat", "frobnicate"], `agentd: unknown command 'frobnicate'. See "agentd chat --help"`],
  [["attach"], `agentd: missing required argument 'session'. See "agentd attach --help"`],
])("a mistake is told as all else is, with where to look: %j", async (args, sentence) => {
  expect(await runCli(args)).toMatchObject({ exitCode: 2, stdout: "", stderr: sentence });
});

test("the version stands alone, whichever way it is asked for", async () => {
  const { stdout } = await runCli(["--version"]);
  expect(stdout).toMatch(/^\d+\.\d+\.\d+$/);
  expect(await runCli(["version"])).toMatchObject({ exitCode: 0, stdout });
  expect(await runCli(["-version"])).toMatchObject({ exitCode: 0, stdout });
});

test("help lists every command, and each command's help has an example", async () => {
  const { stdout, exitCode } = await runCli(["--help"]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain("Exit codes: 0 all went well, 1 it failed, 2 the command line was wrong.");
  for (const command of commands) {
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
    expect((await runCli([command, "--help"])).stdout).toMatch(/\nExample:\n {2}\S/);
  }
});

test("an index of what is no data dir is refused, and nothing is made there", async () => {
  const dir = await tempDir();
  const missing = join(dir.path, "none");
  const none = await runCli(["reindex", "--data-dir", missing]);
  expect(none).toMatchObject({ exitCode: 1, stdout: "" });
  expect(none.stderr).toBe(
    `agentd: Cannot index the data dir "${missing}": there is no such folder. Name the one that the daemon served with --data-dir`,
  );
  const empty = await runCli(["reindex", "--data-dir", dir.path]);
  expect([empty.exitCode, empty.stderr]).toEqual([1, expect.stringContaining('it holds no folder "sessions"')]);
  expect(await readdir(dir.path)).toEqual([]);
  await dir.remove();
});

test("a data dir that is a file is refused in a sentence by the command that starts a daemon too", async () => {
  const dir = await tempDir();
  const file = join(dir.path, "file");
  await writeFile(file, "");
  const { exitCode, stderr } = await runCli(["run", "x"], { AGENTRUNTIME_DATA_DIR: file });
  expect([exitCode, stderr.split("\n").at(-1)]).toEqual([
    1,
    `agentd: Cannot use the data dir "${file}": it is a file, not a folder. Name another with --data-dir`,
  ]);
  await dir.remove();
});

test("a client without a daemon says what was tried and what to do", async () => {
  const dir = await tempDir();
  const none = await runCli(["ls", "--data-dir", dir.path]);
  expect(none).toMatchObject({ exitCode: 1, stdout: "" });
  expect(none.stderr).toBe(
    `agentd: No daemon serves the data dir ${dir.path} (it has no daemon.json). Start one with "agentd serve", or name one with --url; one that "agentd run" started leaves with its last session`,
  );
  const refused = await runCli(["ls", "--url", "http://127.0.0.1:2", "--data-dir", dir.path]);
  expect(refused.stderr).toBe(
    'agentd: Cannot reach a daemon at http://127.0.0.1:2 (--url): connection refused. Start one with "agentd serve"',
  );
  await dir.remove();
});
