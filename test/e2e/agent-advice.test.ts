/** What a session says to do when its agent has no program, no key or no login: the words of doctor, with the real Claude Code. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { claudeBinary } from "../support/claude-binary.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { readReport } from "../support/doctor-report.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type Daemon, runCli, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const environment = { ANTHROPIC_API_KEY: "unused", GIVEN_KEY: "given", UNSET_KEY: "" };

let dir: TempDir;
let model: ScriptedModel;
let daemon: Daemon;
let env: Record<string, string>;
let project: string;

beforeAll(async () => {
  dir = await tempDir();
  model = await startScriptedModel();
  const home = join(dir.path, "home");
  await mkdir(home);
  project = join(dir.path, "project");
  await mkdir(project);
  env = { ...environment, HOME: home };
  const claude = { harness: "claude", command: claudeBinary(), base_url: model.url };
  const agents = {
    refused: { ...claude, key_env: "GIVEN_KEY" },
    unset: { ...claude, key_env: "UNSET_KEY" },
    keyless: claude,
    nowhere: { harness: "claude" },
  };
  daemon = await startDaemon({ config: { agents }, env });
});
afterAll(async () => {
  await daemon?.stop();
  await model?.close();
  await dir?.remove();
});

/** Of the events of a failure: all say the same. */
function adviceIn(events: readonly LoggedEvent[]): unknown[] {
  return [...new Set(events.flatMap(({ data }) => (data["advice"] === undefined ? [] : [data["advice"]])))];
}

async function adviceOf(agent: string, prompt = "hello"): Promise<unknown[]> {
  const { body, text } = await daemon.post("/sessions", { agent, prompt, agent_home: "user" });
  expect(body.session_id, text).toBeDefined();
  return adviceIn(await readLog(daemon, body.session_id));
}

test("a key that is not taken is named by its variable", async () => {
  expect(await adviceOf("refused", "[[err401]]")).toEqual([
    "The key in GIVEN_KEY is not taken: set one that is valid where the daemon is started, or change agents.refused.key_env",
  ]);
});

test("run shows the advice, in doctor's words and without the program's path", async () => {
  const { stdout } = await runCli(
    [
      "doctor",
      "--json",
      "--port",
      "0",
      "--data-dir",
      daemon.dataDir,
      "--config",
      join(daemon.dataDir, "config-of-test.json"),
    ],
    env,
  );
  const { findings } = readReport(stdout);
  const doctors = (about: string, check: string) =>
    findings.find((each) => each.about === about && each.check === check)?.advice ?? "(none)";
  for (const agent of ["unset", "keyless"]) {
    const ran = await daemon.cli("run", "--agent", agent, "--work-dir", project, "hello");
    expect(ran.exitCode, ran.stderr).not.toBe(0);
    const words = doctors(agent, "login").replaceAll(claudeBinary(), "claude");
    expect(ran.stdout, ran.stderr).toContain(words);
    expect(ran.stdout).not.toContain(claudeBinary());
  }
  expect(doctors("unset", "login")).toBe("Set UNSET_KEY where the daemon is started, or change agents.unset.key_env");
  const none = await daemon.cli("run", "--agent", "nowhere", "--work-dir", project, "hello");
  expect([none.exitCode, none.stdout]).toEqual([1, expect.stringContaining(doctors("nowhere", "program"))]);
});

test("a session with a home of its own is not told to log in where nobody would see it", async () => {
  const { body } = await daemon.post("/sessions", { agent: "keyless", prompt: "hello", agent_home: "private" });
  const said = adviceIn(await readLog(daemon, body.session_id));
  expect(said).toEqual([expect.stringContaining('set agents.keyless.key_env to "ANTHROPIC_API_KEY"')]);
  expect(said[0]).not.toContain("log in");
});
