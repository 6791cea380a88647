/** Ctrl+C in `agentd run` before the daemon has answered. */
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ClaudeDaemon, ofType, results, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

let claude: ClaudeDaemon;
let place: TempDir;
beforeAll(async () => {
  [claude, place] = await Promise.all([startClaudeDaemon(), tempDir()]);
});
afterAll(async () => {
  await claude?.stop();
  await place?.remove();
});

/** Somebody is connected to that port, whether anybody there looks at it or not. */
async function isConnected(url: string): Promise<boolean> {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, "0");
  const established = "01";
  const rows = (await readFile("/proc/net/tcp", "utf8")).split("\n").map((row) => row.trim().split(/\s+/));
  return rows.some(([, , remote, state]) => remote?.endsWith(`:${port}`) && state === established);
}

const heard = "Interrupted: the prompt is not begun";

/** A daemon that stands still leaves the command where it waits for its session. */
async function runAgainstStanding() {
  const { url, token, pid } = claude.daemon;
  await eventually(async () => !(await isConnected(url)));
  process.kill(pid, "SIGSTOP");
  const running = execa(process.execPath, [agentdPath, "run", "--agent", "claude", "[[bash:touch begun]]"], {
    env: { AGENTD_URL: url, AGENTD_TOKEN: token },
    cwd: place.path,
    reject: false,
    stdin: "ignore",
  });
  let told = "";
  running.stderr.on("data", (chunk) => {
    told += chunk;
  });
  await eventually(() => isConnected(url));
  running.kill("SIGINT");
  await eventually(() => told.includes(heard));
  return { running, goOn: () => process.kill(pid, "SIGCONT") };
}

test.skipIf(process.platform !== "linux")("once: the session's prompt is not begun", async () => {
  const { running, goOn } = await runAgainstStanding();
  goOn();
  const { stderr, stdout } = await running;
  const [, id = ""] = /Session (\S+)/.exec(stderr) ?? [];
  const events = await claude.log(id);
  expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
  expect(ofType(events, "tool_use")).toEqual([]);
  expect(stdout).toMatch(/^■ The agent ended with .*code \d+ after its last turn was interrupted/m);
});

test.skipIf(process.platform !== "linux")("twice: the command leaves", async () => {
  const { running, goOn } = await runAgainstStanding();
  try {
    running.kill("SIGINT");
    expect((await running).exitCode).toBe(1);
  } finally {
    goOn();
  }
});
