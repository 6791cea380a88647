/** `agentd export`: a session's whole conversation, live, ended, compressed or deleted. */
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportSession } from "../../cmd/export.ts";
import { putEndedSession } from "../support/ended-session.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath, type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const ended = "00000000-0000-4000-8000-000000000001";
const packed = "00000000-0000-4000-8000-000000000002";
const body = [
  { type: "user_message", data: { turn_id: "t1", kind: "prompt", text: "Say it" } },
  { type: "agent_message", data: { turn_id: "t1", item_id: "i1", text: "It is **said**: é", delta: false } },
  { type: "tool_use", data: { turn_id: "t1", id: "c", name: "Bash", kind: "execute", input: { command: "ls" } } },
  {
    type: "tool_result",
    data: { turn_id: "t1", id: "c", name: "Bash", output: "a\nb\n", is_error: false, duration_ms: 5 },
  },
];
const conversation =
  '## Prompt\n\n> Say it\n\nIt is **said**: é\n\n**● `Bash  ls`**\n\n```json\n{\n  "command": "ls"\n}\n```\n\n`Bash` gave (5ms):\n\n```\na\nb\n```\n\n> ■ The agent ended with code 0';

let dir: TempDir;
let daemon: Daemon;
beforeAll(async () => {
  dir = await tempDir();
  const dataDir = join(dir.path, "data");
  putEndedSession(dataDir, ended, body);
  putEndedSession(dataDir, packed, body);
  daemon = await startDaemon({ dataDir });
});
afterAll(async () => {
  await daemon?.stop();
  await dir?.remove();
});

const logOf = async (id: string) => (await daemon.get(`/sessions/${id}/log`)).text;

test("a page has the session's facts and then its conversation", async () => {
  const { stdout, exitCode } = await daemon.cli("export", ended.slice(0, -1) + 1);
  expect(exitCode).toBe(0);
  expect(stdout.startsWith(`# ${ended}\n\n| | |\n|---|---|\n| Session | ${ended} |\n| Agent | claude |\n`)).toBe(true);
  expect(stdout).toContain("| Exit code | 0 |");
  expect(stdout.slice(stdout.indexOf("## "))).toBe(conversation);
});

test("lines are the log's own bytes, into a file of the person's alone", async () => {
  const file = join(dir.path, "out.ndjson");
  const done = await daemon.cli("export", ended, "--format", "ndjson", "--output", file);
  expect(done).toMatchObject({ exitCode: 0, stdout: "", stderr: expect.stringContaining(`to ${file}: `) });
  expect(await readFile(file, "utf8")).toBe(await logOf(ended));
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test("a person who waits is told how much has come and how much that is", async () => {
  const said: string[] = [];
  let isOver = false;
  const terminal = {
    out: () => {},
    note: (line: string) => said.push(line),
    progress: () => ({
      isOneLine: true,
      say: (text: string) => said.push(text),
      hide: () => {},
      end: () => {
        isOver = true;
      },
    }),
    outlive: () => {},
    colour: false,
    isScreen: false,
  };
  const file = join(dir.path, "told.md");
  const env = { AGENTD_URL: daemon.url, AGENTD_TOKEN: daemon.token };
  await exportSession(ended, { format: "md", output: file }, { env, terminal, exit: () => {} });
  const bytes = Buffer.byteLength(await logOf(ended));
  expect([...said, isOver]).toEqual([
    `Exporting ${ended}: ${bytes} B, 100%`,
    `Exported session ${ended} to ${file}: ${bytes} B of log`,
    true,
  ]);
});

test("a compressed log and that of a deleted session are exported like any other", async () => {
  const whole = await logOf(packed);
  await daemon.stop();
  const log = join(daemon.dataDir, "sessions", packed, "events.ndjson");
  daemon = await startDaemon({ dataDir: daemon.dataDir, args: ["--compress-days", "0"] });
  await eventually(() => !existsSync(log), { what: "the compression" });
  const raw = await daemon.cli("export", packed, "--format", "ndjson");
  expect(`${raw.stdout}\n`).toBe(whole);
  expect((await daemon.cli("export", packed)).stdout).toContain(conversation);
  expect(await daemon.cli("rm", packed)).toMatchObject({ exitCode: 0 });
  expect((await daemon.cli("export", packed)).stdout).toContain(conversation);
});

test("what cannot be written is said, and nothing is left of it", async () => {
  const file = join(dir.path, "none", "out.md");
  const refused = await daemon.cli("export", ended, "--output", file);
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  const advice = "Name a file in a folder that you may write to with --output";
  expect(refused.stderr).toBe(
    `agentd: Cannot write the export to "${file}": there is no folder "${join(dir.path, "none")}". ${advice}`,
  );
  expect((await daemon.cli("export", ended, "--output", dir.path)).stderr).toBe(
    `agentd: Cannot write the export to "${dir.path}": it is a folder. ${advice}`,
  );
  expect(await daemon.cli("export", "ffff")).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("There is no session"),
  });
  expect(await daemon.cli("export", ended, "--format", "html")).toMatchObject({ exitCode: 2 });
  expect((await readdir(dir.path)).filter((name) => name.endsWith(".part"))).toEqual([]);
});

test("a reader that goes away ends it without a word", async () => {
  const command = `"${process.execPath}" "${agentdPath}" export ${ended} --url ${daemon.url} | head -c 2`;
  const { stdout, stderr } = await execa("sh", ["-c", command], { env: { AGENTD_TOKEN: daemon.token } });
  expect({ stdout, stderr }).toEqual({ stdout: "# ", stderr: "" });
});
